/* The plain message in C: what `parse.py` and `ladder.py` do for every message of every call. They
   do it themselves where this is not built, and whenever it answers None: for whatever is unusual
   in a message, so that nothing is decided here about what is odd, malformed or not ASCII. */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define MAX_MESSAGE 65536
#define MAX_LINES 256
#define WORDS 1024 /* a power of two; half of them are used at most */
#define KEPT 128   /* bytes of a value that is worth being kept */

/* Names that were seen, and of each header the value that came last: most peers say the same
   again and again, and then no string is made. */
typedef struct {
  uint32_t hash;
  PyObject *name, *value;
} Word;

typedef struct {
  Word words[WORDS];
  int used;
} Table;

static Table headers, methods;

static PyObject *text(const char *from, Py_ssize_t length) {
  PyObject *made = PyUnicode_New(length, 127);
  if (made != NULL && length > 0) memcpy(PyUnicode_1BYTE_DATA(made), from, (size_t)length);
  return made;
}

static int is(PyObject *known, const char *from, Py_ssize_t length) {
  return PyUnicode_GET_LENGTH(known) == length &&
         memcmp(PyUnicode_1BYTE_DATA(known), from, (size_t)length) == 0;
}

/* The word of a table, taken in if `allowed` has it; NULL without error if it has not. */
static Word *find(Table *table, const char *from, Py_ssize_t length, PyObject *allowed) {
  uint32_t hash = (uint32_t)length;
  for (Py_ssize_t at = 0; at < length; at++) hash = hash * 31 + (unsigned char)from[at];
  uint32_t slot = (hash ^ hash >> 10) % WORDS;
  Word *word = &table->words[slot];
  while (word->name != NULL) {
    if (word->hash == hash && is(word->name, from, length)) return word;
    slot = (slot + 1) % WORDS;
    word = &table->words[slot];
  }
  if (length > KEPT || table->used >= WORDS / 2) return NULL;
  PyObject *name = text(from, length);
  if (name == NULL) return NULL;
  int known = PySequence_Contains(allowed, name);
  if (known <= 0) {
    Py_DECREF(name);
    return NULL;
  }
  PyUnicode_InternInPlace(&name);
  word->hash = hash;
  word->name = name;
  table->used++;
  return word;
}

static PyObject *value_of(Word *word, const char *from, Py_ssize_t length) {
  PyObject *last = word->value;
  if (last != NULL && is(last, from, length)) {
    Py_INCREF(last);
    return last;
  }
  PyObject *made = text(from, length);
  if (made != NULL && length <= KEPT) {
    Py_INCREF(made);
    word->value = made;
    Py_XDECREF(last);
  }
  return made;
}

static int plain_ascii(const char *from, Py_ssize_t length) {
  uint64_t all = 0, eight;
  Py_ssize_t at = 0;
  for (; at + 8 <= length; at += 8) {
    memcpy(&eight, from + at, 8);
    all |= eight;
  }
  for (; at < length; at++) all |= (unsigned char)from[at];
  return (all & 0x8080808080808080u) == 0;
}

/* The tag behind a name-addr: its start, or `end` for none; NULL where a closer look is needed. */
static const char *tag_of(const char *from, const char *end) {
  size_t length = (size_t)(end - from);
  const char *found = memmem(from, length, ">;tag=", 6);
  if (found == NULL) {
    if (length == 0 || end[-1] != '>' || memmem(from, length, ";tag=", 5) != NULL) return NULL;
    return end;
  }
  found += 6;
  length = (size_t)(end - found);
  if (length == 0 || memchr(found, ';', length) || memchr(found, '>', length)) return NULL;
  return found;
}

typedef struct {
  const char *from, *end;
  PyObject *value; /* borrowed from the dict */
} Part;

PyDoc_STRVAR(message_doc, "See _scan.pyi.");

static PyObject *scan_message(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  (void)module;
  if (count != 3 || !PyBytes_Check(args[0])) {
    PyErr_SetString(PyExc_TypeError, "expected (data, names, methods)");
    return NULL;
  }
  const char *data = PyBytes_AS_STRING(args[0]);
  Py_ssize_t size = PyBytes_GET_SIZE(args[0]);
  const char *end = size > MAX_MESSAGE ? NULL : memmem(data, (size_t)size, "\r\n\r\n", 4);
  if (end == NULL || !plain_ascii(data, end - data)) Py_RETURN_NONE;
  const char *body = end + 4;
  Py_ssize_t body_size = data + size - body;

  PyObject *first = NULL, *made = NULL, *status = NULL, *line_text = NULL, *branch = NULL;
  PyObject *sent_by = NULL, *from_tag = NULL, *to_tag = NULL, *number = NULL, *rest = NULL;
  const char *stop = memchr(data, '\r', (size_t)(end + 1 - data));
  if (stop[1] != '\n' || memchr(data, '\n', (size_t)(stop - data)) != NULL) Py_RETURN_NONE;

  /* The start line. */
  Word *method = NULL;
  long code = 0;
  const char *line, *line_end;
  if (stop - data >= 12 && memcmp(data, "SIP/2.0 ", 8) == 0) {
    for (int at = 8; at < 11; at++) {
      if (data[at] < '0' || data[at] > '9') Py_RETURN_NONE;
      code = code * 10 + data[at] - '0';
    }
    if (code < 100 || code > 699 || data[11] != ' ') Py_RETURN_NONE;
    line = data + 12;
    line_end = stop;
  } else {
    const char *space = memchr(data, ' ', (size_t)(stop - data));
    if (space == NULL) Py_RETURN_NONE;
    line = space + 1;
    line_end = memchr(line, ' ', (size_t)(stop - line));
    if (line_end == NULL || line_end == line || stop - line_end != 8 ||
        memcmp(line_end, " SIP/2.0", 8) != 0)
      Py_RETURN_NONE;
    method = find(&methods, data, space - data, args[2]);
    if (method == NULL) goto odd;
  }

  /* The header lines. */
  first = PyDict_New();
  if (first == NULL) return NULL;
  Part via = {0}, from = {0}, to = {0}, call_id = {0}, cseq = {0}, length = {0};
  Py_ssize_t lines = 0;
  while (stop < end) {
    const char *at = stop + 2, *colon;
    stop = memchr(at, '\r', (size_t)(end + 1 - at));
    if (stop == NULL || stop[1] != '\n') goto odd;
    if (memchr(at, '\n', (size_t)(stop - at)) != NULL) goto odd;
    colon = memchr(at, ':', (size_t)(stop - at));
    if (colon == NULL || colon + 2 > stop || colon[1] != ' ' || ++lines >= MAX_LINES) goto odd;
    Part part = {.from = colon + 2, .end = stop};
    while (part.from < part.end && part.from[0] == ' ') part.from++;
    while (part.end > part.from && part.end[-1] == ' ') part.end--;
    if (part.from < part.end &&
        ((unsigned char)part.from[0] < ' ' || (unsigned char)part.end[-1] < ' '))
      goto odd;
    Word *word = find(&headers, at, colon - at, args[1]);
    if (word == NULL) goto odd;
    part.value = value_of(word, part.from, part.end - part.from);
    if (part.value == NULL) goto failed;
    int put = PyDict_SetItem(first, word->name, part.value);
    Py_DECREF(part.value);
    if (put < 0) goto failed;
    switch (colon - at) {
      case 2:
        if (memcmp(at, "To", 2) == 0) to = part;
        break;
      case 3:
        if (memcmp(at, "Via", 3) == 0) via = part;
        break;
      case 4:
        if (memcmp(at, "From", 4) == 0) from = part;
        if (memcmp(at, "CSeq", 4) == 0) cseq = part;
        break;
      case 7:
        if (memcmp(at, "Call-ID", 7) == 0) call_id = part;
        break;
      case 14:
        if (memcmp(at, "Content-Length", 14) == 0) length = part;
    }
  }
  if (PyDict_GET_SIZE(first) != lines || via.from == NULL || from.from == NULL || to.from == NULL ||
      call_id.from == NULL || cseq.from == NULL)
    goto odd;

  /* Via: one value, and the branch in it. */
  size_t via_size = (size_t)(via.end - via.from);
  const char *mark = memmem(via.from, via_size, ";branch=", 8);
  if (mark == NULL || via_size < 8 || memcmp(via.from, "SIP/2.0/", 8) != 0 ||
      memchr(via.from, ',', via_size) || memchr(via.from, '"', via_size))
    goto odd;
  const char *space = memchr(via.from, ' ', via_size);
  const char *params = memchr(via.from, ';', via_size);
  if (space == NULL || space > params) goto odd;
  mark += 8;
  const char *mark_end = memchr(mark, ';', (size_t)(via.end - mark));
  if (mark_end == NULL) mark_end = via.end;

  /* Tags, CSeq, length. */
  const char *from_mark = from.end;
  if (method != NULL) from_mark = tag_of(from.from, from.end);
  const char *to_mark = tag_of(to.from, to.end);
  if (from_mark == NULL || to_mark == NULL) goto odd;
  long sequence = 0;
  const char *digit = cseq.from;
  for (; digit < cseq.end && *digit >= '0' && *digit <= '9' && digit - cseq.from < 9; digit++)
    sequence = sequence * 10 + *digit - '0';
  if (digit == cseq.from || digit >= cseq.end || *digit != ' ') goto odd;
  Word *asked = find(&methods, digit + 1, cseq.end - digit - 1, args[2]);
  if (asked == NULL || (method != NULL && asked != method)) goto odd;
  if (length.from != NULL) {
    char said[24];
    int digits = PyOS_snprintf(said, sizeof said, "%zd", body_size);
    if (!is(length.value, said, digits)) goto odd;
  }

  status = PyLong_FromLong(code);
  line_text = text(line, line_end - line);
  branch = text(mark, mark_end - mark);
  sent_by = method != NULL ? text(space + 1, params - space - 1) : text("", 0);
  from_tag = text(from_mark, from.end - from_mark);
  to_tag = text(to_mark, to.end - to_mark);
  number = PyLong_FromLong(sequence);
  rest = PyBytes_FromStringAndSize(body, body_size);
  if (status == NULL || line_text == NULL || branch == NULL || sent_by == NULL ||
      from_tag == NULL || to_tag == NULL || number == NULL || rest == NULL)
    goto failed;
  made = PyTuple_Pack(14, status, line_text, asked->name, number, branch, sent_by, from_tag, to_tag,
                      via.value, from.value, to.value, call_id.value, first, rest);
  goto failed;

odd:
  if (!PyErr_Occurred()) {
    made = Py_None;
    Py_INCREF(made);
  }
failed:
  Py_XDECREF(first);
  Py_XDECREF(status);
  Py_XDECREF(line_text);
  Py_XDECREF(branch);
  Py_XDECREF(sent_by);
  Py_XDECREF(from_tag);
  Py_XDECREF(to_tag);
  Py_XDECREF(number);
  Py_XDECREF(rest);
  return made;
}

static char *put(char *out, int small, int large, const char *from, Py_ssize_t length) {
  *out++ = (char)(length < 256 ? small : large);
  if (length >= 256) *out++ = (char)(length >> 8);
  *out++ = (char)length;
  memcpy(out, from, (size_t)length);
  return out + length;
}

/* Put one message's step at the end of its ladder; 0 if it is not plain or its call not known. */
static int one_step(PyObject *calls, PyObject *message, double at, const char *direction,
                    Py_ssize_t direction_size, const char *peer, Py_ssize_t peer_size, int most) {
  const char *data = PyBytes_AS_STRING(message);
  Py_ssize_t size = PyBytes_GET_SIZE(message);
  const char *end = data + size, *call = NULL, *cseq = NULL, *next = data;
  const char *line_end = memchr(data, '\r', (size_t)size);
  while ((call == NULL || cseq == NULL) &&
         (next = memchr(next, '\n', (size_t)(end - next))) != NULL) {
    next++;
    if (call == NULL && end - next > 9 && memcmp(next, "Call-ID: ", 9) == 0) call = next + 9;
    if (cseq == NULL && end - next > 6 && memcmp(next, "CSeq: ", 6) == 0) cseq = next + 6;
  }
  if (call == NULL || cseq == NULL) return 0;
  const char *call_end = memchr(call, '\r', (size_t)(end - call));
  const char *cseq_end = memchr(cseq, '\r', (size_t)(end - cseq));
  if (line_end == NULL || call_end == NULL || cseq_end == NULL || size >= MAX_MESSAGE) return 0;

  PyObject *key = PyBytes_FromStringAndSize(call, call_end - call);
  if (key == NULL) return -1;
  PyObject *ladder = PyDict_GetItemWithError(calls, key);
  Py_DECREF(key);
  if (ladder == NULL) return PyErr_Occurred() ? -1 : 0;
  Py_ssize_t before = PyByteArray_Check(ladder) ? PyByteArray_GET_SIZE(ladder) : 0;
  if (before < 3) return 0;
  unsigned char *head = (unsigned char *)PyByteArray_AS_STRING(ladder);
  int steps = head[1] << 8 | head[2];
  if (steps >= most) return 1;

  /* As `ladder.py` says it in msgpack: a list of six. */
  Py_ssize_t line_size = line_end - data, cseq_size = cseq_end - cseq;
  Py_ssize_t more = 12 + direction_size + (peer_size < 32 ? 1 : 2) + peer_size +
                    (line_size < 256 ? 2 : 3) + line_size + (cseq_size < 256 ? 2 : 3) + cseq_size;
  if (PyByteArray_Resize(ladder, before + more) < 0) return -1;
  char *out = PyByteArray_AS_STRING(ladder);
  out[1] = (char)((steps + 1) >> 8);
  out[2] = (char)(steps + 1);
  out += before;
  uint64_t bits;
  memcpy(&bits, &at, 8);
  *out++ = (char)0x96;
  *out++ = (char)0xcb;
  for (int shift = 56; shift >= 0; shift -= 8) *out++ = (char)(bits >> shift);
  *out++ = (char)(0xa0 | direction_size);
  memcpy(out, direction, (size_t)direction_size);
  out += direction_size;
  if (peer_size < 32) {
    *out++ = (char)(0xa0 | peer_size);
    memcpy(out, peer, (size_t)peer_size);
    out += peer_size;
  } else {
    out = put(out, 0xd9, 0, peer, peer_size);
  }
  out = put(out, 0xc4, 0xc5, data, line_size);
  out = put(out, 0xc4, 0xc5, cseq, cseq_size);
  *out = (char)(memcmp(end - 4, "\r\n\r\n", 4) == 0 ? 0xc2 : 0xc3);
  return 1;
}

PyDoc_STRVAR(steps_doc, "See _scan.pyi.");

static PyObject *scan_steps(PyObject *module, PyObject *args) {
  PyObject *calls, *messages;
  Py_ssize_t start, direction_size, peer_size = 0;
  double at;
  const char *direction, *peer = NULL;
  int most;
  (void)module;
  if (!PyArg_ParseTuple(args, "O!O!nds#i", &PyDict_Type, &calls, &PyList_Type, &messages, &start,
                        &at, &direction, &direction_size, &most))
    return NULL;
  PyObject *known = NULL, *name = NULL; /* the flow of the message before, and its name */
  int taken = 1;
  while (start >= 0 && start < PyList_GET_SIZE(messages)) {
    PyObject *each = PyList_GET_ITEM(messages, start);
    if (!PyTuple_Check(each) || PyTuple_GET_SIZE(each) != 2 ||
        !PyBytes_Check(PyTuple_GET_ITEM(each, 1))) {
      PyErr_SetString(PyExc_TypeError, "expected (flow, data)");
      taken = -1;
      break;
    }
    PyObject *flow = PyTuple_GET_ITEM(each, 0);
    if (flow != known) {
      Py_XDECREF(name);
      name = PyObject_GetAttrString(flow, "name");
      peer = name == NULL ? NULL : PyUnicode_AsUTF8AndSize(name, &peer_size);
      if (peer == NULL) {
        taken = -1;
        break;
      }
      known = flow;
    }
    if (direction_size > 31 || peer_size > 255) break;
    taken = one_step(calls, PyTuple_GET_ITEM(each, 1), at, direction, direction_size, peer,
                     peer_size, most);
    if (taken <= 0) break;
    start++;
  }
  Py_XDECREF(name);
  return taken < 0 ? NULL : PyLong_FromSsize_t(start);
}

static PyMethodDef functions[] = {
    {"message", (PyCFunction)(void (*)(void))scan_message, METH_FASTCALL, message_doc},
    {"steps", scan_steps, METH_VARARGS, steps_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_scan", "Plain SIP messages, cut into parts.", -1, functions,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__scan(void) { return PyModule_Create(&definition); }
