package gpu

import "sync"

// facts are what has been found out about a device by trying.
type facts struct {
	mu    sync.Mutex
	known map[string]bool
}

// Fact returns whether something holds of the device that no adapter tells: the answer of try, which is asked once for each name,
// unless it fails. It may use the device, but ask for no other fact.
func (d *Device) Fact(name string, try func() (bool, error)) (bool, error) {
	d.facts.mu.Lock()
	defer d.facts.mu.Unlock()
	if holds, known := d.facts.known[name]; known {
		return holds, nil
	}
	holds, err := try()
	if err != nil {
		return false, err
	}
	d.facts.known[name] = holds
	return holds, nil
}
