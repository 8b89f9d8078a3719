/* The straight relay of a media worker: receive, match, rewrite, send, for the packets that need
   nothing else. `leg.py` says which those are, `native.py` what runs where this is not built.

   A lane is one direction, found by the file number it reads from. While it is armed it takes
   exactly one packet: the next in order, of one source, payload type and size. Whatever differs in
   a bit of its header or in length is left for Python, in its row, as it came. So nothing is
   decided here; Python arms a lane after a packet that it has taken itself, and disarms it, reading
   back how far it came, before anything changes.

   No Python object is kept but the buffer of the rows, whose export this holds. The interpreter's
   lock is let go of while the kernel works; `busy` keeps other threads out meanwhile. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <structmember.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define HEADER 12
#define EVENTS 256 /* of one pass at most: a datagram a socket and pass */
#define FILES (1 << 20)
/* Packets that one arming is good for. Python arms nothing nearer to a wrap of a sequence number,
   and disarms every two seconds; who sends faster is seen by it sooner. */
#define LEASE 2000

typedef struct {
  uint64_t next_word; /* first 32 bits of the packet that may pass, sequence number and all */
  uint64_t next_timestamp; /* 64 bits: past a wrap nothing matches, and Python sees it */
  int64_t word_shift, timestamp_shift;
  uint32_t ssrc, out_ssrc, size, left;
  int out; /* file number to send to; -1: nobody hears it */
  int armed;
} Lane;

typedef struct {
  PyObject_HEAD
  Py_buffer rows;
  Py_ssize_t row;
  Lane *lanes;
  int count; /* of lanes */
  int epoll;
  int busy;
  int found; /* events of the last wait */
  unsigned long long errors; /* sends that the kernel refused */
  struct epoll_event events[EVENTS];
} Relay;

static uint32_t get32(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(unsigned char *at, uint32_t value) {
  at[0] = (unsigned char)(value >> 24);
  at[1] = (unsigned char)(value >> 16);
  at[2] = (unsigned char)(value >> 8);
  at[3] = (unsigned char)value;
}

static int idle(Relay *self) {
  if (!self->busy) return 1;
  PyErr_SetString(PyExc_RuntimeError, "the relay is at work in another thread");
  return 0;
}

static PyObject *relay_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  static char *names[] = {"epoll", "rows", "row", NULL};
  Py_buffer rows;
  Py_ssize_t row;
  int epoll;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iw*n", names, &epoll, &rows, &row)) return NULL;
  if (row < HEADER || row > 65536 || rows.len < row * EVENTS) {
    PyBuffer_Release(&rows);
    return PyErr_Format(PyExc_ValueError, "%d rows of %d bytes or more are needed", EVENTS, HEADER);
  }
  Relay *self = (Relay *)type->tp_alloc(type, 0);
  if (!self) {
    PyBuffer_Release(&rows);
    return NULL;
  }
  self->rows = rows;
  self->row = row;
  self->epoll = epoll;
  return (PyObject *)self;
}

static void relay_dealloc(Relay *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyBuffer_Release(&self->rows);
  free(self->lanes);
  type->tp_free(self);
  Py_DECREF(type);
}

static PyObject *relay_arm(Relay *self, PyObject *args) {
  int number, out;
  long long word, timestamp, word_shift, timestamp_shift;
  unsigned int ssrc, out_ssrc;
  Py_ssize_t size;
  if (!PyArg_ParseTuple(args, "iLLInLLIi", &number, &word, &timestamp, &ssrc, &size, &word_shift,
                        &timestamp_shift, &out_ssrc, &out))
    return NULL;
  if (!idle(self)) return NULL;
  if (number < 0 || number >= FILES || out < -1 || out >= FILES || size < HEADER ||
      size >= self->row || word < 0 || word > UINT32_MAX || timestamp < 0 ||
      timestamp > UINT32_MAX || llabs(word_shift) > UINT32_MAX ||
      llabs(timestamp_shift) > UINT32_MAX) {
    PyErr_SetString(PyExc_ValueError, "no such lane");
    return NULL;
  }
  if (number >= self->count) {
    int count = number + 256;
    Lane *lanes = realloc(self->lanes, (size_t)count * sizeof *lanes);
    if (!lanes) return PyErr_NoMemory();
    memset(lanes + self->count, 0, (size_t)(count - self->count) * sizeof *lanes);
    self->lanes = lanes;
    self->count = count;
  }
  self->lanes[number] = (Lane){
      .next_word = (uint64_t)word,
      .next_timestamp = (uint64_t)timestamp,
      .word_shift = word_shift,
      .timestamp_shift = timestamp_shift,
      .ssrc = ssrc,
      .out_ssrc = out_ssrc,
      .size = (uint32_t)size,
      .left = LEASE,
      .out = out,
      .armed = 1,
  };
  Py_RETURN_NONE;
}

static Lane *lane_of(Relay *self, PyObject *number) {
  long at = PyLong_AsLong(number);
  if (at == -1 && PyErr_Occurred()) return NULL;
  if (!idle(self)) return NULL;
  if (at < 0 || at >= self->count || !self->lanes[at].armed) {
    PyErr_SetString(PyExc_LookupError, "the lane is not armed");
    return NULL;
  }
  return &self->lanes[at];
}

static PyObject *relay_reached(Relay *self, PyObject *number) {
  Lane *lane = lane_of(self, number);
  if (!lane) return NULL;
  return Py_BuildValue("KK", lane->next_word, lane->next_timestamp);
}

static PyObject *relay_disarm(Relay *self, PyObject *number) {
  Lane *lane = lane_of(self, number);
  if (!lane) return NULL;
  lane->armed = 0;
  Py_RETURN_NONE;
}

static PyObject *relay_wait(Relay *self, PyObject *seconds) {
  double timeout = PyFloat_AsDouble(seconds);
  if (timeout == -1 && PyErr_Occurred()) return NULL;
  if (!idle(self)) return NULL;
  /* Rounded up, as `select.epoll` does it: a timer is late rather than asked for twice. */
  int timeout_ms = timeout > 0 ? (timeout < 3600 ? (int)ceil(timeout * 1000) : 3600000) : 0;
  int found, error;
  self->busy = 1;
  Py_BEGIN_ALLOW_THREADS
  found = epoll_wait(self->epoll, self->events, EVENTS, timeout_ms);
  error = errno;
  Py_END_ALLOW_THREADS
  self->busy = 0;
  self->found = found > 0 ? found : 0;
  if (found < 0 && error != EINTR) {
    errno = error;
    return PyErr_SetFromErrno(PyExc_OSError);
  }
  /* A signal's handler runs here, and the caller looks at what it changed. */
  if (found < 0 && PyErr_CheckSignals()) return NULL;
  return PyLong_FromLong(self->found);
}

/* Whether a packet is the one that its lane waits for; then it is rewritten and counted. */
static int match(Lane *lane, unsigned char *packet, ssize_t size) {
  if (size != (ssize_t)lane->size || !lane->left) return 0;
  uint32_t word = get32(packet), timestamp = get32(packet + 4);
  if (word != lane->next_word || timestamp != lane->next_timestamp ||
      get32(packet + 8) != lane->ssrc)
    return 0;
  lane->left--;
  lane->next_word = (uint64_t)word + 1;
  lane->next_timestamp = (uint64_t)timestamp + lane->size - HEADER;
  put32(packet, (uint32_t)((int64_t)word + lane->word_shift));
  put32(packet + 4, (uint32_t)((int64_t)timestamp + lane->timestamp_shift));
  put32(packet + 8, lane->out_ssrc);
  return 1;
}

/* A tuple of three numbers, made by hand: one for each packet of a recorded call. */
static PyObject *three(int a, int b, int c) {
  const int numbers[] = {a, b, c};
  PyObject *made = PyTuple_New(3);
  for (Py_ssize_t at = 0; made && at < 3; at++) {
    PyObject *number = PyLong_FromLong(numbers[at]);
    if (!number) Py_CLEAR(made);
    else PyTuple_SET_ITEM(made, at, number);
  }
  return made;
}

static PyObject *relay_carry(Relay *self, PyObject *unused) {
  (void)unused;
  if (!idle(self)) return NULL;
  int rest[EVENTS], sizes[EVENTS], sends[EVENTS], outs[EVENTS];
  int left = 0, used = 0, found = self->found, refused = 0;
  unsigned char *rows = self->rows.buf;
  self->busy = 1;
  self->found = 0;
  Py_BEGIN_ALLOW_THREADS
  /* All are read, then all are sent: the kernel's code for either stays in the cache. */
  for (int at = 0; at < found; at++) {
    int number = self->events[at].data.fd;
    unsigned char *row = rows + at * self->row;
    ssize_t size = -1;
    if (number >= 0 && number < self->count && self->lanes[number].armed) {
      Lane *lane = &self->lanes[number];
      do size = recv(number, row, (size_t)self->row, 0);
      while (size < 0 && errno == EINTR);
      if (size < 0) continue; /* a far end's ICMP error, or nothing */
      if (match(lane, row, size)) {
        if (lane->out >= 0) {
          sends[used] = at;
          outs[used++] = number;
        }
        continue;
      }
    }
    rest[left] = at;
    sizes[left++] = (int)size;
  }
  for (int at = 0; at < used; at++) {
    const Lane *lane = &self->lanes[outs[at]];
    ssize_t sent;
    do sent = send(lane->out, rows + sends[at] * self->row, lane->size, 0);
    while (sent < 0 && errno == EINTR);
    refused += sent < 0;
  }
  Py_END_ALLOW_THREADS
  self->busy = 0;
  self->errors += (unsigned)refused;
  PyObject *list = PyList_New(left);
  if (!list) return NULL;
  for (int at = 0; at < left; at++) {
    PyObject *entry = three(self->events[rest[at]].data.fd, rest[at], sizes[at]);
    if (!entry) {
      Py_DECREF(list);
      return NULL;
    }
    PyList_SET_ITEM(list, at, entry);
  }
  return list;
}

static PyMethodDef relay_methods[] = {
    {"arm", (PyCFunction)relay_arm, METH_VARARGS, NULL},
    {"reached", (PyCFunction)relay_reached, METH_O, NULL},
    {"disarm", (PyCFunction)relay_disarm, METH_O, NULL},
    {"wait", (PyCFunction)relay_wait, METH_O, NULL},
    {"carry", (PyCFunction)relay_carry, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef relay_members[] = {
    {"errors", T_ULONGLONG, offsetof(Relay, errors), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot relay_slots[] = {
    {Py_tp_new, relay_new},         {Py_tp_dealloc, relay_dealloc},
    {Py_tp_methods, relay_methods}, {Py_tp_members, relay_members},
    {Py_tp_doc, "Lanes by file number, and an epoll that says which have something to read."},
    {0, NULL},
};

static PyType_Spec relay_spec = {
    .name = "cicswitch.media._relay.Relay",
    .basicsize = sizeof(Relay),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = relay_slots,
};

static int module_exec(PyObject *module) {
  PyObject *type = PyType_FromSpec(&relay_spec);
  if (!type) return -1;
  int failed = PyModule_AddObjectRef(module, "Relay", type);
  Py_DECREF(type);
  return failed;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "cicswitch.media._relay",
    .m_doc = "The straight relay of a media worker.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__relay(void);
PyMODINIT_FUNC PyInit__relay(void) { return PyModuleDef_Init(&module); }
