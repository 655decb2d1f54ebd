package gpu

/*
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
static void umbra_sleep(unsigned us) { Sleep((us + 999) / 1000); }
#else
#include <time.h>
static void umbra_sleep(unsigned us) {
	struct timespec t = {us / 1000000, us % 1000000 * 1000};
	nanosleep(&t, 0);
}
#endif

// The few functions of wgpu-native (webgpu.h, wgpu.h of its version 0.17) that the binding wraps unsafely or not at all.
// They are linked through the binding's own static library; weak, so that cgo's probe link of this package alone passes.
typedef void (*umbra_error_callback)(int type, char const *message, void *userdata);
typedef void (*umbra_map_callback)(int status, void *userdata);
extern void wgpuDevicePushErrorScope(void *device, int filter) __attribute__((weak));
extern bool wgpuDevicePopErrorScope(void *device, umbra_error_callback callback, void *userdata) __attribute__((weak));
extern void wgpuDeviceSetUncapturedErrorCallback(void *device, umbra_error_callback callback, void *userdata) __attribute__((weak));
extern void wgpuBufferMapAsync(void *buffer, uint32_t mode, size_t offset, size_t size, umbra_map_callback callback, void *userdata) __attribute__((weak));

extern void wgpuQueueSubmit(void *queue, size_t count, void *const *commands) __attribute__((weak));
extern bool wgpuDevicePoll(void *device, bool wait, void const *index) __attribute__((weak));

// When a device is lost, wgpu-native panics inside submit and poll, and a panic that leaves Rust for C ends the process.
// umbra_guarded brings it back instead: Rust raises its panic through this function of the unwinder (Itanium C++ ABI: Exception
// Handling, 1.3), which is ours in this program and jumps out where a landing has been set, and else reports, as
// the real one would here, that nobody catches. Frames of the library are abandoned, locks and all: the device is never touched again.
#ifndef _WIN32
#include <setjmp.h>
static _Thread_local jmp_buf *umbra_landing;
__attribute__((weak, visibility("hidden"))) int _Unwind_RaiseException(void *exception) {
	if (umbra_landing) longjmp(*umbra_landing, 1);
	return 5; // _URC_END_OF_STACK
}
#define UMBRA_GUARDED(call)           \
	jmp_buf here;                     \
	if (setjmp(here)) {               \
		umbra_landing = 0;            \
		return false;                 \
	}                                 \
	umbra_landing = &here;            \
	call;                             \
	umbra_landing = 0;                \
	return true;
#else
#define UMBRA_GUARDED(call) call; return true;
#endif

static bool umbra_submit(void *queue, void *commands) { UMBRA_GUARDED(wgpuQueueSubmit(queue, 1, &commands)) }
// umbra_poll returns -1 if the library gave up, else whether the queue is empty.
static bool umbra_poll_into(void *device, int *empty) { UMBRA_GUARDED(*empty = wgpuDevicePoll(device, false, 0)) }
static int umbra_poll(void *device) {
	int empty = 0;
	return umbra_poll_into(device, &empty) ? empty : -1;
}

// umbra_error keeps the first error it is told of. It lives in C memory, so callbacks never touch Go memory.
typedef struct { int type; char message[2048]; } umbra_error;

static void umbra_record(int type, char const *message, void *userdata) {
	umbra_error *e = userdata;
	if (type == 0 || e->type != 0) return;
	e->type = type;
	strncpy(e->message, message ? message : "", sizeof e->message - 1);
}

static void umbra_catch_uncaptured(void *device, umbra_error *e) { wgpuDeviceSetUncapturedErrorCallback(device, umbra_record, e); }
static void umbra_push(void *device, int filter) { wgpuDevicePushErrorScope(device, filter); }
static void umbra_pop(void *device, umbra_error *e) { wgpuDevicePopErrorScope(device, umbra_record, e); }

// umbra_map is the answer to a mapping: status is -1 until it comes. The callback runs inside a poll, on the polling
// thread, which is also the one that reads it (Device.mu).
typedef struct { int status; } umbra_map;

static void umbra_mapped(int status, void *userdata) { ((umbra_map *)userdata)->status = status; }

static void umbra_map_async(void *device, void *buffer, size_t size, umbra_map *m, umbra_error *e) {
	m->status = -1;
	wgpuDevicePushErrorScope(device, 0);
	wgpuBufferMapAsync(buffer, 1, 0, size, umbra_mapped, m);
	wgpuDevicePopErrorScope(device, umbra_record, e);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/rajveermalviya/go-webgpu/wgpu"
)

// WGPUErrorFilter of webgpu.h.
const filterOutOfMemory = 1

// rawDevice and the other raws are the C handles inside the binding's types: structs whose fields are only such handles
// (native_test.go checks that they still are).
func rawDevice(d *wgpu.Device) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(d)) }

func rawBuffer(b *wgpu.Buffer) unsafe.Pointer {
	return (*struct{ device, buffer unsafe.Pointer })(unsafe.Pointer(b)).buffer
}

func rawQueue(q *wgpu.Queue) unsafe.Pointer {
	return (*struct{ device, queue unsafe.Pointer })(unsafe.Pointer(q)).queue
}

func rawCommands(c *wgpu.CommandBuffer) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(c)) }

// submitGuarded submits; it reports false if the library gave up on the device.
func submitGuarded(q *wgpu.Queue, c *wgpu.CommandBuffer) bool {
	return bool(C.umbra_submit(rawQueue(q), rawCommands(c)))
}

// pollGuarded polls without waiting and returns whether the queue is empty; ok is false if the library gave up on the
// device.
func pollGuarded(d *wgpu.Device) (empty, ok bool) {
	r := C.umbra_poll(rawDevice(d))
	return r > 0, r >= 0
}

// nativeError is an error slot in C memory.
type nativeError struct{ c *C.umbra_error }

func newNativeError() nativeError {
	return nativeError{(*C.umbra_error)(C.calloc(1, C.sizeof_umbra_error))}
}

// take returns the recorded error, if any, and empties the slot.
func (e nativeError) take() error {
	if e.c._type == 0 {
		return nil
	}
	err := errors.New(C.GoString(&e.c.message[0]))
	e.c._type = 0
	C.memset(unsafe.Pointer(&e.c.message[0]), 0, C.size_t(len(e.c.message)))
	return err
}

func (e nativeError) free() { C.free(unsafe.Pointer(e.c)) }

// catchUncaptured directs errors that no scope takes into e; without it they end the process.
func catchUncaptured(d *wgpu.Device, e nativeError) { C.umbra_catch_uncaptured(rawDevice(d), e.c) }

// outOfMemoryScope runs f and returns the memory error it raised, which the binding's own scopes do not take.
func outOfMemoryScope(d *wgpu.Device, e nativeError, f func()) error {
	C.umbra_push(rawDevice(d), filterOutOfMemory)
	f()
	C.umbra_pop(rawDevice(d), e.c)
	return e.take()
}

// mapping is one buffer's mapping state. The binding's MapAsync hands C the address of a Go variable that nothing keeps
// alive; this one is C memory that lives as long as the buffer.
type mapping struct{ c *C.umbra_map }

func newMapping() mapping { return mapping{(*C.umbra_map)(C.calloc(1, C.sizeof_umbra_map))} }

func (m mapping) free() { C.free(unsafe.Pointer(m.c)) }

func (m mapping) ask(d *wgpu.Device, b *wgpu.Buffer, size uint64, e nativeError) error {
	C.umbra_map_async(rawDevice(d), rawBuffer(b), C.size_t(size), m.c, e.c)
	return e.take()
}

// answered reports whether the mapping has been answered, and with what error.
func (m mapping) answered() (bool, error) {
	switch s := wgpu.BufferMapAsyncStatus(m.c.status); {
	case m.c.status < 0:
		return false, nil
	case s == wgpu.BufferMapAsyncStatus_Success:
		return true, nil
	default:
		return true, fmt.Errorf("map: %s", s)
	}
}

// sleep is time.Sleep for fractions of a millisecond, which the Go runtime's own timers round up to one.
func sleep(d time.Duration) { C.umbra_sleep(C.uint(d.Microseconds())) }
