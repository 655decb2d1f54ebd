// Package places opens the devices that a model is to be on, shares its layers out among them, and says why they lie as they do. It reads
// no model: the plan is its caller's.
package places

import (
	"errors"
	"fmt"
	"strings"

	"umbra/gpu"
	"umbra/model"
	"umbra/shaders"
	"umbra/shaders/tuned"
)

// Options say which devices to open, and how.
type Options struct {
	Device gpu.Options // its Adapter may be a list
	// Split is the share of the layers that each of several devices gets; nil goes by their memory.
	Split []float64
	// Tuned takes the kernels that `umbra tune` has kept for each adapter; Warn is told of files that do not fit.
	Tuned bool
	Warn  func(error)
}

// Places are open devices, in the order of the layers.
type Places struct {
	All   []Place
	Split []float64 // for model.Options; nil with one device
	Why   string    // how the shares came about, "" with one device

	rooms []Room // nil until they have been asked for
}

// Place is one of the devices.
type Place struct {
	model.Place
	Path string // of the file of measured kernels, "" without one
}

// Open opens the devices.
func Open(o Options) (*Places, error) {
	devices, err := gpu.OpenAll(o.Device)
	if err != nil {
		return nil, err
	}
	p := &Places{}
	var infos []gpu.AdapterInfo
	for _, d := range devices {
		at := Place{Place: model.Place{Device: d, Tuning: shaders.TuningFor(d.Info())}}
		if o.Tuned {
			var err error
			if at.Tuning, at.Path, err = tuned.For(d.Info()); err != nil && o.Warn != nil {
				o.Warn(err)
			}
		}
		p.All, infos = append(p.All, at), append(infos, d.Info())
	}
	if p.rooms, p.Split, p.Why, err = share(infos, o.Split); err != nil {
		p.Release()
		return nil, err
	}
	return p, nil
}

// Judge finds what Open would, without opening a device: the split, and how much room there is.
func Judge(o Options) (rooms []Room, split []float64, err error) {
	verdicts, err := gpu.Chosen(o.Device)
	if err != nil {
		return nil, nil, err
	}
	var infos []gpu.AdapterInfo
	for _, v := range verdicts {
		infos = append(infos, v.AdapterInfo)
	}
	rooms, split, _, err = share(infos, o.Split)
	if rooms == nil {
		rooms = roomsOf(infos)
	}
	return rooms, split, err
}

// Room is how much memory a place has: that of its adapter, in as many parts as there are places on it.
type Room struct {
	Adapter gpu.AdapterInfo
	Memory  uint64 // 0 where it is not known
	Err     error  // why it is not
}

// Rooms are those of all places.
func (p *Places) Rooms() []Room {
	if p.rooms == nil { // it may take asking a program
		p.rooms = roomsOf([]gpu.AdapterInfo{p.All[0].Device.Info()})
	}
	return p.rooms
}

func roomsOf(infos []gpu.AdapterInfo) (all []Room) {
	on := map[int]uint64{}
	for _, a := range infos {
		on[a.Index]++
	}
	for _, a := range infos {
		n, err := a.Memory()
		all = append(all, Room{a, n / on[a.Index], err})
	}
	return all
}

// share finds the shares of several devices: those given, or by memory. Of one device it finds nothing.
func share(infos []gpu.AdapterInfo, given []float64) (rooms []Room, split []float64, why string, err error) {
	if len(infos) == 1 {
		if given != nil {
			err = fmt.Errorf("umbra: a split in shares is for several adapters; name them, say as 0,1")
		}
		return nil, nil, "", err
	}
	rooms = roomsOf(infos)
	if given != nil {
		return rooms, given, "as told", nil
	}
	var unknown error
	kinds, names := map[gpu.Kind]bool{}, map[string]bool{}
	for _, r := range rooms {
		unknown = errors.Join(unknown, r.Err)
		kinds[r.Adapter.Kind], names[r.Adapter.Name] = true, true
		split = append(split, float64(r.Memory))
	}
	switch {
	case unknown == nil && len(kinds) > 1:
		return rooms, split, "in proportion to memory, which of CPUs and integrated GPUs is the system's", nil
	case unknown == nil:
		return rooms, split, "in proportion to memory", nil
	case len(names) > 1:
		return nil, nil, "", fmt.Errorf("umbra: layers are shared out in proportion to memory: %w; give the shares yourself (--split)", unknown)
	}
	for i := range split {
		split[i] = 1
	}
	return rooms, split, "evenly: memory is not known, and the adapters have the same name", nil
}

// Load loads a model onto the places, if there is room. Options.Split is theirs.
func (p *Places) Load(src model.Source, o model.Options) (*model.Model, error) {
	o.Split = p.Split
	if len(p.All) > 1 { // one device alone is asked when its buffers are made
		plan, err := model.PlanSplit(src, o, p.Limits())
		if err != nil {
			return nil, err
		}
		if err := Fits(p.rooms, plan); err != nil {
			return nil, err
		}
	}
	return model.NewAt(p.Models(), src, o)
}

// Adapters are the names of the places' adapters.
func (p *Places) Adapters() string {
	var names []string
	for _, at := range p.All {
		names = append(names, at.Device.Info().Name)
	}
	return strings.Join(names, " + ")
}

// Models are the places as a model takes them.
func (p *Places) Models() (all []model.Place) {
	for _, at := range p.All {
		all = append(all, at.Place)
	}
	return all
}

// Limits are the devices'.
func (p *Places) Limits() (all []gpu.Limits) {
	for _, at := range p.All {
		all = append(all, at.Device.Limits())
	}
	return all
}

// Narrowest are limits that all devices have.
func (p *Places) Narrowest() gpu.Limits {
	least := p.All[0].Device.Limits()
	for _, l := range p.Limits() {
		least.BufferSize = min(least.BufferSize, l.BufferSize)
		least.StorageBindingSize = min(least.StorageBindingSize, l.StorageBindingSize)
	}
	return least
}

// Fits refuses a plan if one of its stages takes more than the room it has, as far as that is known.
func Fits(rooms []Room, plan model.Plan) error {
	for i, s := range plan.Stages {
		if r := rooms[i]; r.Memory > 0 && s.Bytes() > r.Memory {
			return fmt.Errorf("umbra: %v: %d bytes are needed (weights %d, keys and values %d, scratch %d), and there are %d on adapter %d (%s); give it fewer layers by a split, or take a smaller context, KV memory or model",
				s, s.Bytes(), s.Weights, s.KV, s.Scratch, r.Memory, r.Adapter.Index, r.Adapter.Name)
		}
	}
	return nil
}

// Memory is the byte account of all devices together.
func (p *Places) Memory() (sum gpu.Account) {
	for _, at := range p.All {
		for i, n := range at.Device.Memory() {
			sum[i] += n
		}
	}
	return sum
}

// Profile is the time of each kernel on each device, those of a device together, longest first.
func (p *Places) Profile() (all []gpu.KernelTime) {
	for i, at := range p.All {
		for _, k := range at.Device.Profile() {
			if len(p.All) > 1 {
				k.Device = i + 1
			}
			all = append(all, k)
		}
	}
	return all
}

// Release gives all devices back.
func (p *Places) Release() {
	for _, at := range p.All {
		at.Device.Release()
	}
}

// Says tells which layers of a plan are where, and why: a line for each of several devices.
func (p *Places) Says(plan model.Plan) (lines []string) {
	if len(p.All) < 2 {
		return nil
	}
	for i, s := range plan.Stages {
		info := p.All[i].Device.Info()
		lines = append(lines, fmt.Sprintf("device %d: %v of %d on adapter %d, %s: %.1f MB of weights, %.1f MB of keys and values; shared out %s",
			i+1, s, plan.Config.Layers, info.Index, info, float64(s.Weights)/1e6, float64(s.KV)/1e6, p.Why))
	}
	return lines
}
