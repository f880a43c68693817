/* System calls on a descriptor: what `calls.py` does, for where a compiler is.
 *
 * What lives here: receiving and sending once. What must not: waiting, deadlines, whatever takes more than one call.
 * Invariant: nothing here blocks, and the GIL is held from the call to the object that comes of it, so that one buffer
 * does for the process: releasing it costs as much as the rest of a small read.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <sys/socket.h>

/* What is received up to this size is copied out of the spare buffer; beyond, the buffer itself is handed out. */
#define SMALL 4096

/* Bytes that nobody else has: the next read goes there. */
static PyObject *spare = NULL;

static int
read_descriptor(PyObject *number, int *descriptor)
{
    long value = PyLong_AsLong(number);
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    *descriptor = (int)value;
    return 0;
}

/* Whether a call that failed is to be made once more; else the error is set, or `*would_block`. */
static int
is_to_be_repeated(int *would_block)
{
    if (errno == EINTR) {
        return PyErr_CheckSignals() == 0;
    }
    *would_block = errno == EAGAIN || errno == EWOULDBLOCK;
    if (!*would_block) {
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return 0;
}

/* Have `spare` hold at least `size` bytes. */
static int
require_spare(Py_ssize_t size)
{
    if (spare != NULL && PyBytes_GET_SIZE(spare) >= size) {
        return 0;
    }
    Py_CLEAR(spare);
    spare = PyBytes_FromStringAndSize(NULL, size);
    return spare == NULL ? -1 : 0;
}

static PyObject *
receive(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    int descriptor, would_block = 0;
    Py_ssize_t limit, received;
    PyObject *whole;

    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "receive takes a descriptor and a limit");
        return NULL;
    }
    if (read_descriptor(arguments[0], &descriptor) < 0) {
        return NULL;
    }
    limit = PyLong_AsSsize_t(arguments[1]);
    if (limit < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "a limit is not negative");
        }
        return NULL;
    }
    do {
        if (require_spare(limit) < 0) { /* Each time: a signal's handler may have received, too. */
            return NULL;
        }
        received = recv(descriptor, PyBytes_AS_STRING(spare), (size_t)limit, MSG_DONTWAIT);
    } while (received < 0 && is_to_be_repeated(&would_block));
    if (received < 0) {
        if (would_block) {
            Py_RETURN_NONE;
        }
        return NULL;
    }
    if (received <= SMALL) {
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(spare), received);
    }
    whole = spare;
    spare = NULL;
    if (received < PyBytes_GET_SIZE(whole)) {
        _PyBytes_Resize(&whole, received);  /* NULL with the error set where that fails. */
    }
    return whole;
}

static PyObject *
transmit(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    int descriptor, would_block = 0;
    Py_ssize_t sent;
    Py_buffer data;

    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "transmit takes a descriptor and data");
        return NULL;
    }
    if (read_descriptor(arguments[0], &descriptor) < 0 || PyObject_GetBuffer(arguments[1], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    do {
        sent = send(descriptor, data.buf, (size_t)data.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && is_to_be_repeated(&would_block));
    PyBuffer_Release(&data);
    if (sent < 0 && !would_block) {
        return NULL;
    }
    return PyLong_FromSsize_t(sent < 0 ? 0 : sent);
}

static PyMethodDef methods[] = {
    {"receive", (PyCFunction)(void (*)(void))receive, METH_FASTCALL, NULL},
    {"transmit", (PyCFunction)(void (*)(void))transmit, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "deston.net._calls", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__calls(void)
{
    return PyModule_Create(&definition);
}
