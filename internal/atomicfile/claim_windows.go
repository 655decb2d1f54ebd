package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// closing is held while a file of this process is closed and has not its name yet, as claim would take it for one that was left. Nothing keeps
// another process from that, whose writer then has an error.
var closing sync.Mutex

// claim makes a temporary file. One that a killed process left is removed; the system lets nobody remove one that is open.
func claim(temp string, mode fs.FileMode) (*os.File, error) {
	closing.Lock()
	defer closing.Unlock()
	os.Remove(temp)
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil, errTaken
	}
	return f, err
}

// patience is how long commit waits for others that have the file open just now: somebody who reads or replaces it, or a scanner.
const patience = 2 * time.Second

// sharingViolation is ERROR_SHARING_VIOLATION.
const sharingViolation = syscall.Errno(32)

// commit closes the file first, as the system renames none that is open; nor does it replace one that somebody has open.
func (f *File) commit() error {
	closing.Lock()
	defer closing.Unlock()
	if err := f.Close(); err != nil {
		return err
	}
	for end, pause := time.Now().Add(patience), time.Millisecond; ; pause *= 2 {
		err := os.Rename(f.Name(), f.path)
		busy := errors.Is(err, syscall.ERROR_ACCESS_DENIED) || errors.Is(err, sharingViolation)
		if !busy || time.Now().After(end) {
			return err
		}
		time.Sleep(pause)
	}
}
