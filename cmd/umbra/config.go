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
	parts  map[string]map[string]json.RawMessage // of values, those that are objects
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
	c := &config{path: path, parts: map[string]map[string]json.RawMessage{}}
	if err := json.Unmarshal(data, &c.values); err != nil {
		return nil, fmt.Errorf("%s is no JSON object of flags: %w", path, err)
	}
	for name, raw := range c.values {
		var part map[string]json.RawMessage
		if json.Unmarshal(raw, &part) == nil && part != nil {
			c.parts[name] = part
		}
	}
	return c, nil
}

// Validate refuses names that no command has.
func (c *config) Validate(app *kong.Application) error {
	everywhere := func(flag string) bool { return flag != "help" && flagOf(app.Node, flag) }
	for name := range c.values {
		at := slices.IndexFunc(app.Children, func(n *kong.Node) bool { return n.Name == name })
		if at < 0 {
			if !everywhere(name) && !slices.ContainsFunc(app.Children, func(n *kong.Node) bool { return flagOf(n, name) }) {
				return fmt.Errorf("%s: no command has a flag --%s", c.path, name)
			}
			continue
		}
		part, ok := c.parts[name]
		if !ok {
			return fmt.Errorf("%s: %s is the name of a command; give an object of its flags", c.path, name)
		}
		for flag := range part {
			if !everywhere(flag) && !flagOf(app.Children[at], flag) {
				return fmt.Errorf("%s: umbra %s has no flag --%s", c.path, name, flag)
			}
		}
	}
	return nil
}

// flagOf reports whether a command has a flag of its own.
func flagOf(n *kong.Node, flag string) bool {
	return slices.ContainsFunc(n.Flags, func(f *kong.Flag) bool { return f.Name == flag })
}

// Resolve finds a flag's value, nil where the file has none or the environment has one.
func (c *config) Resolve(k *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if _, ok := os.LookupEnv(env); ok {
			return nil, nil
		}
	}
	raw, ok := c.values[flag.Name]
	for _, p := range k.Path {
		if p.Command != nil {
			if mine, is := c.parts[p.Command.Name][flag.Name]; is {
				raw, ok = mine, true
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
