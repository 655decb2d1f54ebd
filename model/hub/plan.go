package hub

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// planned is the model that a reference means now.
func (s Store) planned(ctx context.Context, c *client, r ref, o Options) (Model, error) {
	m := Model{Name: r.name(), Source: r.name(), place: r.place()}
	if r.url != "" {
		u, err := url.Parse(r.url)
		if err != nil {
			return m, err
		}
		file := path.Base(u.Path)
		if checkPath(file) != nil || file == manifestName {
			file = "model.gguf"
		}
		m.Files = []File{{Path: file, Size: -1, SHA256: strings.ToLower(o.SHA256)}}
		return m, nil
	}
	commit, err := c.commitOf(ctx, o.retry(), r.repo, r.revision)
	if err != nil {
		return m, err
	}
	files, err := c.files(ctx, o.retry(), r.repo, commit)
	if err != nil {
		return m, err
	}
	for _, f := range files {
		if err := checkPath(f.Path); err != nil {
			return m, fmt.Errorf("%s: %w", r.repo, err)
		}
	}
	v, short, err := pick(r, files, o)
	if err != nil {
		return m, err
	}
	if v.label == folderLabel {
		if v.files, err = c.folderFiles(ctx, o, r.repo, commit, v.files); err != nil {
			return m, err
		}
	}
	for _, f := range v.files {
		if f.SHA256 == "" && f.GitSHA == "" {
			return m, fmt.Errorf("%s does not tell a hash of %s: it could not be verified", c.endpoint, f.Path)
		}
		if o.SHA256 != "" && (len(v.files) > 1 || !strings.EqualFold(f.SHA256, o.SHA256)) {
			return m, fmt.Errorf("%s: SHA-256 %s is asked for, and that of %s is %q", r.repo, o.SHA256, f.Path, f.SHA256)
		}
	}
	m.Name, m.Label, m.Source = nameOf(r.repo, short, r.revision), v.label, c.endpoint.String()
	m.Revision, m.Commit, m.Files = r.revision, commit, v.files
	m.place += "/" + flat(v.stem)
	return m, nil
}

// pick chooses among the models of a repository, and says which if there was a choice; short is what to call it there.
func pick(r ref, files []File, o Options) (v variant, short string, err error) {
	all := variantsOf(files)
	folder := folderOf(r.repo, files)
	switch {
	case folder.files == nil:
	case len(all) == 0:
		all = []variant{folder}
	case r.pick == folderLabel:
		folder.stem += "." + folderLabel
		all = append(all, folder)
	}
	if len(all) == 0 {
		return v, "", fmt.Errorf("%s has no model that umbra could open: no GGUF file, and no config.json with safetensors beside it", r.repo)
	}
	v, why, err := choose(all, r.repo, r.pick)
	if err != nil {
		return v, "", err
	}
	if why != "" {
		o.Say(r.repo + ": " + why)
	}
	if v.label == folderLabel && len(all) == 1 {
		return v, "", nil
	}
	return v, v.shortest(all), nil
}

// What umbra reads of a folder beside its weights.
var folderNames = []string{"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.json",
	"chat_template.jinja", "quantize_config.json", "quant_config.json"}

const (
	weightsName = "model.safetensors"
	indexName   = "model.safetensors.index.json"
	weightsEnd  = ".safetensors"
)

// folderOf is the repository as a folder of Hugging Face's transformers, with all files that may belong to it; none if it is no such folder.
func folderOf(repo string, files []File) variant {
	v := variant{label: folderLabel, stem: path.Base(repo)}
	weights, config := false, false
	for _, f := range files {
		switch {
		case strings.HasSuffix(f.Path, weightsEnd) && path.Base(f.Path) == f.Path:
			weights = true
		case !slices.Contains(folderNames, f.Path) && f.Path != indexName:
			continue
		}
		config = config || f.Path == "config.json"
		v.files = append(v.files, f)
	}
	if !weights || !config {
		v.files = nil
	}
	return v
}

// folderFiles leaves those that make the model: weights are the files that the index lists, or model.safetensors, or all that are there.
func (c *client) folderFiles(ctx context.Context, o Options, repo, commit string, files []File) (some []File, err error) {
	has := func(name string) bool {
		return slices.ContainsFunc(files, func(f File) bool { return f.Path == name })
	}
	listed := map[string]bool{}
	var index struct {
		Map map[string]string `json:"weight_map"`
	}
	switch {
	case has(indexName):
		if _, err := c.getJSON(ctx, o.retry(), c.fileURL(repo, commit, indexName), &index); err != nil {
			return nil, c.explain(err, repo, commit)
		}
		for _, file := range index.Map {
			listed[file] = true
			if !has(file) {
				return nil, fmt.Errorf("%s lacks %q, which its %s lists", repo, file, indexName)
			}
		}
	case has(weightsName):
		listed[weightsName] = true
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Path, weightsEnd) || len(listed) == 0 || listed[f.Path] {
			some = append(some, f)
		}
	}
	return some, nil
}
