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

// Devices lists every adapter with the verdict that Open and OpenAll would reach with the same options.
func Devices(o Options) ([]Verdict, error) {
	_, _, verdicts, err := judge(defaultDriver(), o)
	return verdicts, err
}

// Chosen returns the verdicts of those adapters that OpenAll would open with the same options, in order.
func Chosen(o Options) (all []Verdict, err error) {
	_, chosen, verdicts, err := judge(defaultDriver(), o)
	if err != nil {
		return nil, err
	}
	if len(chosen) == 0 {
		return nil, noneOf(verdicts, o)
	}
	for _, i := range chosen {
		all = append(all, verdicts[i])
	}
	return all, nil
}

// judge returns every adapter, the indices of those to open, in order, and the verdicts.
func judge(drv driver, o Options) ([]driverAdapter, []int, []Verdict, error) {
	all, err := drv.adapters()
	if err != nil {
		return nil, nil, nil, err
	}
	infos := make([]AdapterInfo, len(all))
	for i, a := range all {
		infos[i] = a.info()
	}
	chosen, verdicts := choose(infos, wanted(o.Adapter))
	for i := range verdicts {
		v := &verdicts[i]
		if v.Limits.lacks() != "" {
			continue
		}
		if v.Limits, err = o.Limits.Within(v.Limits); err != nil {
			return nil, nil, nil, err
		}
		if v.Chosen && o.Limits == FloorLimits {
			v.Reason += "; held to WebGPU's default limits"
		}
	}
	return all, chosen, verdicts, nil
}

// wanted is the forced adapter: the option, else the environment, else "".
func wanted(option string) string {
	if option != "" {
		return option
	}
	return os.Getenv(AdapterEnv)
}

// choose picks the adapters to open, and says of each why or why not: one, or of a list all that it names.
func choose(all []AdapterInfo, want string) ([]int, []Verdict) {
	if parts := list(all, want); len(parts) > 1 {
		return chooseAll(all, parts)
	}
	best, verdicts := chooseOne(all, want)
	if best < 0 {
		return nil, verdicts
	}
	return []int{best}, verdicts
}

// list are the parts of a list of adapters, by commas: not those in an adapter's own name.
func list(all []AdapterInfo, want string) []string {
	for _, a := range all {
		if a.matches(want) {
			return []string{want}
		}
	}
	parts := strings.Split(want, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// chooseAll picks an adapter for each part: the one of that number, which may be named again, or the best of the kind or name that no other
// part has. If one finds none, nothing is chosen.
func chooseAll(all []AdapterInfo, parts []string) (chosen []int, verdicts []Verdict) {
	places := make([][]string, len(all)) // the devices to open on each, counted from 1
	missing := ""
	for i, part := range parts {
		best := -1
		_, err := strconv.Atoi(part)
		for j, a := range all {
			if part == "" || a.Limits.lacks() != "" || !a.matches(part) || err != nil && len(places[j]) > 0 {
				continue
			}
			if best < 0 || rank(a.Kind) > rank(all[best].Kind) {
				best = j
			}
		}
		if best < 0 {
			missing = part
			break
		}
		chosen = append(chosen, best)
		places[best] = append(places[best], strconv.Itoa(i+1))
	}
	want := strings.Join(parts, ",")
	for i, a := range all {
		v := Verdict{AdapterInfo: a, Chosen: len(places[i]) > 0 && len(chosen) == len(parts)}
		switch lack := a.Limits.lacks(); {
		case lack != "":
			v.Reason = "too small: " + lack + " below the WebGPU floor"
		case len(chosen) < len(parts):
			v.Reason = fmt.Sprintf("of %q, nothing is left that matches %q", want, missing)
		case !v.Chosen:
			v.Reason = fmt.Sprintf("does not match %q", want)
		case len(places[i]) == 1:
			v.Reason = fmt.Sprintf("device %s of %d of %q", places[i][0], len(parts), want)
		default:
			v.Reason = fmt.Sprintf("devices %s of %d of %q", strings.Join(places[i], " and "), len(parts), want)
		}
		verdicts = append(verdicts, v)
	}
	if len(chosen) < len(parts) {
		return nil, verdicts
	}
	return chosen, verdicts
}

// chooseOne picks the adapter that want names (an index, a kind, or part of a name), else discrete before integrated before unknown before
// CPU. It returns -1 if none fits, and a verdict for each.
func chooseOne(all []AdapterInfo, want string) (int, []Verdict) {
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
