/* Many datagrams of one UDP socket in one call of the kernel: recvmmsg(2) and sendmmsg(2), which
   Python's socket module does not have. `datagrams.py` says what is done with them, and does it one
   by one where this is not built.

   The socket does not block, so the interpreter's lock is kept: letting go of it for each datagram
   would have other threads take turns in the middle of a batch. */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define MOST 32 /* datagrams of one call */
#define SIZE 65536 /* as long as a datagram can be; pages that none has reached take no memory */

typedef struct {
  PyObject_HEAD
  int file;
  char *space;
  struct mmsghdr heads[MOST];
  struct iovec parts[MOST];
  struct sockaddr_storage names[MOST];
} Reader;

static int Reader_init(PyObject *object, PyObject *args, PyObject *kwargs) {
  Reader *self = (Reader *)object;
  (void)kwargs;
  if (!PyArg_ParseTuple(args, "i", &self->file)) return -1;
  if (self->space == NULL) {
    void *space = mmap(NULL, MOST * SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) {
      PyErr_SetFromErrno(PyExc_OSError);
      return -1;
    }
    self->space = space;
  }
  return 0;
}

static void Reader_dealloc(PyObject *object) {
  Reader *self = (Reader *)object;
  if (self->space != NULL) munmap(self->space, MOST * SIZE);
  Py_TYPE(object)->tp_free(object);
}

/* receive(batch, flows, make): (flow, data) of what has come is put at the end of `batch`; the flow
   is the one that `flows` has for the sender's name, else what `make` gives for it. */
static PyObject *Reader_receive(PyObject *object, PyObject *args) {
  Reader *self = (Reader *)object;
  PyObject *batch, *flows, *make;
  if (!PyArg_ParseTuple(args, "O!O!O", &PyList_Type, &batch, &PyDict_Type, &flows, &make))
    return NULL;
  if (self->space == NULL) {
    PyErr_SetString(PyExc_ValueError, "a reader without a file");
    return NULL;
  }
  for (int at = 0; at < MOST; at++) {
    struct msghdr *head = &self->heads[at].msg_hdr;
    memset(head, 0, sizeof *head);
    self->parts[at].iov_base = self->space + (size_t)at * SIZE;
    self->parts[at].iov_len = SIZE;
    head->msg_iov = &self->parts[at];
    head->msg_iovlen = 1;
    head->msg_name = &self->names[at];
    head->msg_namelen = sizeof self->names[at];
  }
  int count = recvmmsg(self->file, self->heads, MOST, MSG_DONTWAIT, NULL);
  if (count < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
      return PyErr_SetFromErrno(PyExc_OSError);
    count = 0;
  }
  for (int at = 0; at < count; at++) {
    PyObject *name = PyBytes_FromStringAndSize(
        (char *)&self->names[at], (Py_ssize_t)self->heads[at].msg_hdr.msg_namelen);
    if (name == NULL) return NULL;
    PyObject *flow = PyDict_GetItemWithError(flows, name);
    if (flow != NULL)
      Py_INCREF(flow);
    else if (!PyErr_Occurred())
      flow = PyObject_CallOneArg(make, name);
    Py_DECREF(name);
    PyObject *data = PyBytes_FromStringAndSize(self->space + (size_t)at * SIZE,
                                               (Py_ssize_t)self->heads[at].msg_len);
    PyObject *each = flow == NULL || data == NULL ? NULL : PyTuple_Pack(2, flow, data);
    Py_XDECREF(flow);
    Py_XDECREF(data);
    if (each == NULL) return NULL;
    int failed = PyList_Append(batch, each);
    Py_DECREF(each);
    if (failed < 0) return NULL;
  }
  return PyLong_FromLong(count);
}

static PyObject *batch_send(PyObject *module, PyObject *args) {
  int file;
  PyObject *messages;
  (void)module;
  if (!PyArg_ParseTuple(args, "iO!", &file, &PyList_Type, &messages)) return NULL;
  PyObject *failed = PyList_New(0);
  if (failed == NULL) return NULL;
  Py_ssize_t total = PyList_GET_SIZE(messages), done = 0;
  struct mmsghdr heads[MOST];
  struct iovec parts[MOST];
  while (done < total) {
    unsigned count = 0;
    for (; count < MOST && done + count < total; count++) {
      char *name, *data;
      Py_ssize_t name_length, length;
      PyObject *each = PyList_GET_ITEM(messages, done + count);
      if (!PyTuple_Check(each) || PyTuple_GET_SIZE(each) != 2 ||
          PyBytes_AsStringAndSize(PyTuple_GET_ITEM(each, 0), &name, &name_length) < 0 ||
          PyBytes_AsStringAndSize(PyTuple_GET_ITEM(each, 1), &data, &length) < 0) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "expected (name, data)");
        Py_DECREF(failed);
        return NULL;
      }
      struct msghdr *head = &heads[count].msg_hdr;
      memset(head, 0, sizeof *head);
      parts[count].iov_base = data;
      parts[count].iov_len = (size_t)length;
      head->msg_iov = &parts[count];
      head->msg_iovlen = 1;
      head->msg_name = name;
      head->msg_namelen = (socklen_t)name_length;
    }
    int sent = sendmmsg(file, heads, count, MSG_DONTWAIT);
    if (sent >= 0) {
      done += sent;
      if ((unsigned)sent == count) continue;
      /* The next says itself, alone, what is wrong with it. */
      sent = sendmmsg(file, heads + sent, 1, MSG_DONTWAIT);
      if (sent == 1) {
        done++;
        continue;
      }
    }
    if (errno == EINTR) continue;
    PyObject *why = Py_BuildValue("(ni)", done, errno);
    if (why == NULL || PyList_Append(failed, why) < 0) {
      Py_XDECREF(why);
      Py_DECREF(failed);
      return NULL;
    }
    Py_DECREF(why);
    done++;
  }
  return failed;
}

static PyObject *batch_address(PyObject *module, PyObject *args) {
  char *name;
  Py_ssize_t length;
  char host[NI_MAXHOST], port[NI_MAXSERV];
  (void)module;
  if (!PyArg_ParseTuple(args, "y#", &name, &length)) return NULL;
  struct sockaddr_storage copy;
  memset(&copy, 0, sizeof copy);
  memcpy(&copy, name, (size_t)length < sizeof copy ? (size_t)length : sizeof copy);
  int family = ((struct sockaddr *)&copy)->sa_family;
  if ((family != AF_INET && family != AF_INET6) ||
      getnameinfo((struct sockaddr *)&copy, (socklen_t)length, host, sizeof host, port,
                  sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    PyErr_SetString(PyExc_ValueError, "no address of the internet");
    return NULL;
  }
  return Py_BuildValue("(si)", host, atoi(port));
}

static PyObject *batch_name(PyObject *module, PyObject *args) {
  int family, port;
  const char *host;
  (void)module;
  if (!PyArg_ParseTuple(args, "isi", &family, &host, &port)) return NULL;
  struct addrinfo hints, *found = NULL;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = family;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICHOST;
  if (getaddrinfo(host, NULL, &hints, &found) != 0 || found == NULL) {
    PyErr_Format(PyExc_ValueError, "%s is no address in numbers", host);
    return NULL;
  }
  if (family == AF_INET6)
    ((struct sockaddr_in6 *)found->ai_addr)->sin6_port = htons((uint16_t)port);
  else
    ((struct sockaddr_in *)found->ai_addr)->sin_port = htons((uint16_t)port);
  PyObject *name = PyBytes_FromStringAndSize((char *)found->ai_addr, (Py_ssize_t)found->ai_addrlen);
  freeaddrinfo(found);
  return name;
}

static PyMethodDef Reader_methods[] = {
    {"receive", Reader_receive, METH_VARARGS, "(flow, data) of what has come, into a list."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject ReaderType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "cicswitch.net._batch.Reader",
    .tp_basicsize = sizeof(Reader),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "Reads a UDP socket, up to 32 datagrams at a time.",
    .tp_new = PyType_GenericNew,
    .tp_init = Reader_init,
    .tp_dealloc = Reader_dealloc,
    .tp_methods = Reader_methods,
};

static PyMethodDef batch_methods[] = {
    {"send", batch_send, METH_VARARGS, "Send (name, data) each; (index, errno) of what failed."},
    {"address", batch_address, METH_VARARGS, "Host and port of a socket's name."},
    {"name", batch_name, METH_VARARGS, "The name of a socket from family, host and port."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef batch_module = {
    PyModuleDef_HEAD_INIT, "_batch", "Many datagrams in one call.", -1, batch_methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__batch(void) {
  if (PyType_Ready(&ReaderType) < 0) return NULL;
  PyObject *module = PyModule_Create(&batch_module);
  if (module == NULL) return NULL;
  if (PyModule_AddIntConstant(module, "MOST", MOST) < 0 ||
      PyModule_AddObjectRef(module, "Reader", (PyObject *)&ReaderType) < 0) {
    Py_DECREF(module);
    return NULL;
  }
  return module;
}
