package hub

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// folderLabel is what the safetensors of a repository are called among its files.
const folderLabel = "safetensors"

// preferred are the quantizations to take where none is named, the first that is there: about half a byte a weight, then what was made before
// K-quants, then larger ones.
var preferred = []string{"Q4_K_M", "Q4_0", "Q8_0", "Q4_K_S", "UD-Q4_K_XL", "MXFP4", "MXFP4_MOE", "Q5_K_M", "Q5_K_S", "Q6_K", "IQ4_XS", "IQ4_NL", "F16", "BF16", "F32"}

// variant is one of the models in a repository: a GGUF file, several that are one, or a folder of safetensors.
type variant struct {
	label   string   // the quantization, as Q4_K_M; "" where the name has none
	stem    string   // path without the ending, and without the number of a part
	files   []File   // parts in order; of a folder those that are known of now
	missing []string // parts that are not there
}

var (
	partPattern  = regexp.MustCompile(`^(.*)-([0-9]{5})-of-([0-9]{5})$`)
	quantPattern = `(?:UD-)?(?:I?Q[0-9]+(?:_[A-Z0-9]+)*|TQ[0-9]_[0-9]|B?F16|F32|MXFP4(?:_MOE)?|NVFP4)`
	atEnd        = regexp.MustCompile(`(?i)(?:^|[-._])(` + quantPattern + `)$`)
	anywhere     = regexp.MustCompile(`(?i)(?:^|[-.])(` + quantPattern + `)(?:[-.]|$)`)
)

// labelOf finds the quantization in a file's name: at its end, or else the first between hyphens or dots.
func labelOf(stem string) string {
	name := path.Base(stem)
	m := atEnd.FindStringSubmatch(name)
	if m == nil {
		m = anywhere.FindStringSubmatch(name)
	}
	if m == nil {
		return ""
	}
	return strings.ToUpper(m[1])
}

// variantsOf groups the GGUF files of a repository. Files that are no models of text are passed over: projectors of images (mmproj), importance matrices.
func variantsOf(files []File) []variant {
	var all []variant
	found := map[string]int{}
	parts := map[string]map[int]File{}
	for _, f := range files {
		lower := strings.ToLower(path.Base(f.Path))
		if !strings.HasSuffix(lower, ".gguf") || strings.Contains(lower, "mmproj") || strings.Contains(lower, "imatrix") {
			continue
		}
		stem := f.Path[:len(f.Path)-len(".gguf")]
		part, count := 1, 1
		if m := partPattern.FindStringSubmatch(stem); m != nil {
			part, _ = strconv.Atoi(m[2])
			count, _ = strconv.Atoi(m[3])
			if part < 1 || part > count {
				continue
			}
			stem = m[1]
		}
		key := fmt.Sprint(stem, " ", count)
		if _, ok := found[key]; !ok {
			found[key] = len(all)
			parts[key] = map[int]File{}
			all = append(all, variant{label: labelOf(stem), stem: stem, files: make([]File, 0, 1), missing: make([]string, 0)})
		}
		parts[key][part] = f
		v := &all[found[key]]
		v.files, v.missing = nil, nil
		for i := 1; i <= count; i++ {
			if f, ok := parts[key][i]; ok {
				v.files = append(v.files, f)
			} else {
				v.missing = append(v.missing, fmt.Sprintf("%s-%05d-of-%05d.gguf", stem, i, count))
			}
		}
	}
	return all
}

// choose finds the variant that a pick means, or without one the preferred; why says how that was chosen, "" if there was no choice.
func choose(all []variant, repo, pick string) (v variant, why string, err error) {
	match := func(is func(v variant) bool) (some []variant) {
		for _, v := range all {
			if is(v) {
				some = append(some, v)
			}
		}
		return some
	}
	label := func(l string) func(v variant) bool {
		return func(v variant) bool { return l != "" && strings.EqualFold(v.label, l) }
	}
	var some []variant
	if pick != "" {
		for _, is := range []func(v variant) bool{
			func(v variant) bool { return v.has(func(path string) bool { return path == pick }) },
			func(v variant) bool { return v.has(func(file string) bool { return path.Base(file) == pick }) },
			func(v variant) bool { return v.stem == pick || path.Base(v.stem) == pick },
			label(pick), label("UD-" + pick),
		} {
			if some = match(is); len(some) > 0 {
				break
			}
		}
	} else if some = all; len(all) > 1 {
		for _, l := range preferred {
			if some = match(label(l)); len(some) > 0 {
				why = fmt.Sprintf("of %s %s was chosen", offers(all), l)
				break
			}
		}
		if len(some) == 0 {
			some = all
		}
	}
	switch {
	case len(some) == 0:
		return v, "", fmt.Errorf("%s has no %s; there is %s", repo, pick, offers(all))
	case len(some) > 1:
		return v, "", fmt.Errorf("%s has %s; name one, as %s", repo, offers(some), nameOf(repo, some[0].files[0].Path, defaultRevision))
	case len(some[0].missing) > 0:
		return v, "", fmt.Errorf("%s lacks %s: the model is not whole there", repo, strings.Join(some[0].missing, ", "))
	}
	return some[0], why, nil
}

// has reports whether one of the variant's files is meant, by its path.
func (v variant) has(is func(path string) bool) bool {
	return slices.ContainsFunc(v.files, func(f File) bool { return is(f.Path) })
}

// offers lists variants by their labels, or where a label is not theirs alone by file.
func offers(all []variant) string {
	var names []string
	for _, v := range all {
		names = append(names, v.shortest(all))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// shortest is the label, or the first file's path where others have the same label or there is none.
func (v variant) shortest(all []variant) string {
	same := 0
	for _, o := range all {
		if strings.EqualFold(o.label, v.label) {
			same++
		}
	}
	if v.label != "" && same == 1 || len(v.files) == 0 {
		return v.label
	}
	return v.files[0].Path
}
