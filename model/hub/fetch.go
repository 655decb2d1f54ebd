package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// partial is how the name of a file ends that has not come whole.
const partial = ".part"

// magic is what a GGUF file begins with.
const magic = "GGUF"

// fetch brings one file: the bytes that are there stay, and the rest is asked for.
type fetch struct {
	client *client
	url    string
	want   *File  // what is known of it; ETag, Size and SHA256 are filled in
	sized  bool   // its size was known beforehand
	folder string // where it is to be
	gguf   bool   // it must be one
	retry  *retry
	stall  time.Duration // without a byte, the connection is given up
	save   func() error  // keeps want on the disk
	moved  func(n int64) // is told how many bytes there are, of this file

	file *os.File
	at   int64 // bytes that are there, and in the hashes
	most int64 // the most there have been
	sums sums
}

// run ends when the file has its name, whole and verified. After an error what came is kept, but if it is wrong.
func (f *fetch) run(ctx context.Context) (err error) {
	path := filepath.Join(f.folder, f.want.name())
	if info, err := os.Stat(path); err == nil && info.Size() == f.want.Size { // it has its name, so it is what it should be
		f.moved(info.Size())
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // unless somebody has cut it short
		return err
	}
	if f.file, err = os.OpenFile(path+partial, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return err
	}
	defer f.file.Close()
	if err := f.resume(ctx); err != nil {
		return err
	}
	for done := false; !done; {
		done, err = f.attempt(ctx)
		if f.at > f.most {
			f.most, f.retry.tries = f.at, 0
		}
		if err == nil {
			continue
		}
		if err = f.retry.again(ctx, err); err != nil {
			return fmt.Errorf("%s: %w", f.want.name(), full(err, f.folder))
		}
	}
	if err := f.verify(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", f.want.name(), err), f.file.Close(), os.Remove(path+partial))
	}
	if err := f.file.Sync(); err != nil {
		return full(err, f.folder)
	}
	if err := errors.Join(f.save(), f.file.Close()); err != nil {
		return err
	}
	return os.Rename(path+partial, path)
}

// full explains that a disk has no room.
func full(err error, folder string) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("no room on the disk: %w; what came is kept in %s: make room, and pull again", err, folder)
	}
	return err
}

// resume takes what an earlier pull has left, if the file can be recognized: by its hash at the end, or now by its ETag.
func (f *fetch) resume(ctx context.Context) error {
	f.sums = newSums(f.want)
	if !f.hashed() && !strong(f.want.ETag) {
		return f.restart()
	}
	buffer := make([]byte, 1<<20)
	for {
		n, err := f.file.Read(buffer)
		f.sums.write(buffer[:n])
		f.at += int64(n)
		f.moved(f.at)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == io.EOF:
			f.most = f.at
			if f.want.Size >= 0 && f.at > f.want.Size {
				return f.restart()
			}
			return nil
		case err != nil:
			return err
		}
	}
}

// restart begins the file anew.
func (f *fetch) restart() error {
	f.at, f.sums = 0, newSums(f.want)
	f.moved(0)
	if err := f.file.Truncate(0); err != nil {
		return err
	}
	_, err := f.file.Seek(0, io.SeekStart)
	return err
}

// attempt asks for what is missing and takes what comes. It is done when all is there.
func (f *fetch) attempt(ctx context.Context) (done bool, err error) {
	if f.at == f.want.Size {
		return true, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dog := time.AfterFunc(f.stall, func() { cancel(fmt.Errorf("nothing came for %s", f.stall)) })
	defer dog.Stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return false, permanent{err}
	}
	r.Header.Set("Accept-Encoding", "identity")
	if f.at > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", f.at))
		if strong(f.want.ETag) {
			r.Header.Set("If-Range", f.want.ETag)
		}
	}
	response, err := f.client.http.Do(r)
	if err != nil {
		return false, cause(ctx, err)
	}
	defer response.Body.Close()
	if err := f.accept(response); err != nil {
		return false, err
	}
	if err := f.take(response.Body, func() { dog.Reset(f.stall) }); err != nil {
		return false, cause(ctx, err)
	}
	switch {
	case f.want.Size < 0:
		f.want.Size = f.at
	case f.at < f.want.Size:
		return false, fmt.Errorf("%d of %d bytes came: %w", f.at, f.want.Size, io.ErrUnexpectedEOF)
	}
	return true, nil
}

// cause is why a request was given up, where it was.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		return why
	}
	return err
}

// strong reports whether an ETag promises the same bytes.
func strong(etag string) bool { return strings.HasPrefix(etag, `"`) }

// accept checks what a server is about to send, and makes room for it: behind what is there, or in its place.
func (f *fetch) accept(r *http.Response) error {
	total, etag := r.ContentLength, r.Header.Get("ETag")
	before := *f.want
	switch r.StatusCode {
	case http.StatusOK:
		if f.at > 0 { // it knows no ranges, or the file is another now
			if err := f.restart(); err != nil {
				return err
			}
		}
	case http.StatusPartialContent:
		var from int64
		from, total = contentRange(r.Header.Get("Content-Range"))
		if from != f.at || r.ContentLength >= 0 && total >= 0 && from+r.ContentLength > total {
			return permanent{fmt.Errorf("asked for bytes from %d on, the server answers with %q", f.at, r.Header.Get("Content-Range"))}
		}
		if f.want.ETag != "" && etag != "" && etag != f.want.ETag {
			f.want.ETag = ""
			return errors.Join(fmt.Errorf("the file has changed (ETag %s)", etag), f.restart())
		}
	case http.StatusRequestedRangeNotSatisfiable:
		return errors.Join(statusError(r), f.restart())
	default:
		return statusError(r)
	}
	switch {
	case f.sized && total >= 0 && total != f.want.Size:
		return permanent{fmt.Errorf("it should have %d bytes, and the server has one of %d", f.want.Size, total)}
	case !f.sized && f.at > 0 && f.want.Size != total:
		return errors.Join(fmt.Errorf("the file has changed (%d bytes)", total), f.restart())
	case !f.sized:
		f.want.Size = total
	}
	if f.want.Size < 0 && !f.hashed() && r.ProtoMajor < 2 && len(r.TransferEncoding) == 0 {
		return permanent{errors.New("the server does not say how long it is, so whether it is whole could not be told; give --sha256")}
	}
	if f.want.ETag = etag; *f.want == before {
		return nil
	}
	return f.save()
}

// hashed reports whether a hash was known beforehand.
func (f *fetch) hashed() bool { return f.sums.want != "" }

// contentRange reads "bytes 100-199/1000": where it begins, and how long the whole is; -1 for what it does not tell.
func contentRange(text string) (from, total int64) {
	text, ok := strings.CutPrefix(text, "bytes ")
	span, size, _ := strings.Cut(text, "/")
	first, _, _ := strings.Cut(span, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	if !ok || err != nil {
		return -1, -1
	}
	if total, err = strconv.ParseInt(size, 10, 64); err != nil {
		total = -1
	}
	return from, total
}

// take writes a body behind what is there.
func (f *fetch) take(body io.Reader, alive func()) error {
	buffer := make([]byte, 256<<10)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			alive()
			if f.want.Size >= 0 && f.at+int64(n) > f.want.Size {
				return permanent{fmt.Errorf("it should have %d bytes, and the server sends more", f.want.Size)}
			}
			written, failed := f.file.Write(buffer[:n])
			f.sums.write(buffer[:written])
			f.at += int64(written)
			f.moved(f.at)
			if failed != nil {
				return failed
			}
		}
		switch err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

// verify compares what is there with what was to come, and notes its hash.
func (f *fetch) verify() error {
	got := f.sums.got()
	if f.hashed() && got != f.sums.want {
		return fmt.Errorf("its hash is %s, not %s: it was damaged on its way, or is another file; it is removed", got, f.sums.want)
	}
	f.want.SHA256 = f.sums.full()
	if !f.gguf {
		return nil
	}
	var head [len(magic)]byte
	if n, _ := f.file.ReadAt(head[:], 0); string(head[:n]) != magic {
		return fmt.Errorf("it is no GGUF file: it begins with %q; it is removed", head[:n])
	}
	return nil
}
