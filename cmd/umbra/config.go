package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/alecthomas/kong"
)

// config is a file of flags: {"max-sequences": 32, "serve": {"listen": ":8081"}}. A command's own part goes before what is for all, environment variables
// before both, and the command line before all.
type config struct {
	path   string
	values map[string]json.RawMessage
}

// readConfig reads the file that $UMBRA_CONFIG names, or umbra/config.json in the user's configuration folder if it is there.
func readConfig() (*config, error) {
	path, named := os.LookupEnv("UMBRA_CONFIG")
	if !named {
		dir, err := os.UserConfigDir()
		if err != nil {
			return &config{}, nil
		}
		path = filepath.Join(dir, "umbra", "config.json")
	}
	if path == "" {
		return &config{}, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return &config{}, nil
	}
	if err != nil {
		return nil, err
	}
	c := &config{path: path}
	if err := json.Unmarshal(data, &c.values); err != nil {
		return nil, fmt.Errorf("%s is no JSON object of flags: %w", path, err)
	}
	return c, nil
}

// Validate refuses names that no command has.
func (c *config) Validate(app *kong.Application) error {
	for name, raw := range c.values {
		var own map[string]json.RawMessage
		at := slices.IndexFunc(app.Children, func(n *kong.Node) bool { return n.Name == name })
		switch {
		case at >= 0:
			if err := json.Unmarshal(raw, &own); err != nil {
				return fmt.Errorf("%s: %s is the name of a command; give an object of its flags", c.path, name)
			}
			for flag := range own {
				if !has(app.Children[at], flag) {
					return fmt.Errorf("%s: umbra %s has no flag --%s", c.path, name, flag)
				}
			}
		case !slices.ContainsFunc(app.Children, func(n *kong.Node) bool { return has(n, name) }):
			return fmt.Errorf("%s: no command has a flag --%s", c.path, name)
		}
	}
	return nil
}

// has reports whether a command, or one below it, has a flag.
func has(n *kong.Node, flag string) bool {
	return slices.ContainsFunc(n.Flags, func(f *kong.Flag) bool { return f.Name == flag }) ||
		slices.ContainsFunc(n.Children, func(c *kong.Node) bool { return has(c, flag) })
}

// Resolve finds a flag's value, nil where the file has none or the environment has one.
func (c *config) Resolve(k *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if _, ok := os.LookupEnv(env); ok {
			return nil, nil
		}
	}
	raw, ok := c.values[flag.Name]
	for n := parent.Node(); n != nil; n = n.Parent {
		var own map[string]json.RawMessage
		if part, is := c.values[n.Name]; is && json.Unmarshal(part, &own) == nil {
			if mine, is := own[flag.Name]; is {
				raw, ok = mine, true
				break
			}
		}
	}
	if !ok {
		return nil, nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		return v, nil
	case float64:
		return string(raw), nil // as it is written
	case []any:
		return v, nil
	}
	return nil, fmt.Errorf("%s: --%s is a text, a number, true, false or a list of these", c.path, flag.Name)
}
