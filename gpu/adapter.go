package gpu

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// AdapterEnv is the environment variable that forces an adapter, as Options.Adapter does.
const AdapterEnv = "UMBRA_ADAPTER"

// Kind is what sort of device an adapter is.
type Kind uint8

// Kinds in order of preference, best last.
const (
	KindUnknown Kind = iota
	KindCPU
	KindIntegrated
	KindDiscrete
)

func (k Kind) String() string {
	return [...]string{"unknown", "cpu", "integrated", "discrete"}[k]
}

// AdapterInfo describes an adapter.
type AdapterInfo struct {
	Index      int // its place in the list, for forcing it
	Name       string
	Driver     string
	Backend    string // vulkan, metal, d3d12
	Kind       Kind
	VendorID   uint32
	DeviceID   uint32
	Limits     Limits
	Timestamps bool // timestamp queries are there
}

func (a AdapterInfo) String() string {
	return fmt.Sprintf("%s (%s, %s, %s)", a.Name, a.Kind, a.Backend, a.Driver)
}

// Verdict says whether an adapter is used and why. Limits are those a device would have, after Options.Limits.
type Verdict struct {
	AdapterInfo
	Chosen bool
	Reason string
}

// Devices lists every adapter with the verdict Open would reach with the same options.
func Devices(o Options) ([]Verdict, error) {
	_, _, verdicts, err := judge(defaultDriver(), o)
	return verdicts, err
}

// judge returns every adapter, the index of the one to open or -1, and the verdicts.
func judge(drv driver, o Options) ([]driverAdapter, int, []Verdict, error) {
	all, err := drv.adapters()
	if err != nil {
		return nil, -1, nil, err
	}
	infos := make([]AdapterInfo, len(all))
	for i, a := range all {
		infos[i] = a.info()
	}
	best, verdicts := choose(infos, wanted(o.Adapter))
	for i := range verdicts {
		v := &verdicts[i]
		if v.Limits.lacks() != "" {
			continue
		}
		if v.Limits, err = o.Limits.Within(v.Limits); err != nil {
			return nil, -1, nil, err
		}
		if v.Chosen && o.Limits == FloorLimits {
			v.Reason += "; held to WebGPU's default limits"
		}
	}
	return all, best, verdicts, nil
}

// wanted is the forced adapter: the option, else the environment, else "".
func wanted(option string) string {
	if option != "" {
		return option
	}
	return os.Getenv(AdapterEnv)
}

// choose picks the adapter to open: the one that want names (an index, a kind, or part of a name), else discrete
// before integrated before unknown before CPU. It returns -1 if none fits, and a verdict for each.
func choose(all []AdapterInfo, want string) (int, []Verdict) {
	best := -1
	verdicts := make([]Verdict, len(all))
	for i, a := range all {
		verdicts[i] = Verdict{AdapterInfo: a}
		v := &verdicts[i]
		if lack := a.Limits.lacks(); lack != "" {
			v.Reason = "too small: " + lack + " below the WebGPU floor"
			continue
		}
		if want != "" && !a.matches(want) {
			v.Reason = fmt.Sprintf("does not match %q", want)
			continue
		}
		if best < 0 || rank(a.Kind) > rank(all[best].Kind) {
			best = i
		}
	}
	for i := range verdicts {
		v := &verdicts[i]
		switch {
		case i == best && want != "":
			v.Chosen, v.Reason = true, fmt.Sprintf("matches %q", want)
		case i == best && v.Kind == KindCPU:
			v.Chosen, v.Reason = true, "a CPU adapter: no GPU adapter was found"
		case i == best:
			v.Chosen, v.Reason = true, "the best kind of adapter here: "+v.Kind.String()
		case v.Reason == "" && rank(v.Kind) < rank(all[best].Kind):
			v.Reason = fmt.Sprintf("%s ranks below %s", v.Kind, all[best].Kind)
		case v.Reason == "":
			v.Reason = fmt.Sprintf("adapter %d comes first among equals", best)
		}
	}
	return best, verdicts
}

// rank orders kinds; an adapter that does not say is taken before a CPU, after known GPUs.
func rank(k Kind) int {
	return [...]int{KindUnknown: 1, KindCPU: 0, KindIntegrated: 2, KindDiscrete: 3}[k]
}

func (a AdapterInfo) matches(want string) bool {
	if n, err := strconv.Atoi(want); err == nil {
		return n == a.Index
	}
	want = strings.ToLower(want)
	return want == a.Kind.String() || strings.Contains(strings.ToLower(a.Name), want)
}
