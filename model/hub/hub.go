// Package hub brings models from Hugging Face's hub, or any URL, to a folder of the user's, and finds them there by name. A model is a folder of its
// own, which appears under its name when all of it is there and verified.
//
// Nothing is downloaded but by Pull. The package knows no tensor, and does not open what it brings.
package hub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Variable is the environment variable that names the folder of models, in place of umbra/models in the user's cache folder.
const Variable = "UMBRA_MODELS"

// ErrAbsent says that no model of a name has been pulled.
var ErrAbsent = errors.New("not downloaded")

// Store is a folder of models:
//
//	hf/OWNER/REPOSITORY[@REVISION]/MODEL/   a model's files, and umbra.json, which says what they are
//	url/HOST/HASH/                          the same of a model by URL
//	partial/..., lock/..., old/...          at the same places, those that are on their way, who pulls them, and what is about to be removed
type Store struct{ Root string }

// Default is the store that $UMBRA_MODELS names, or else umbra/models in os.UserCacheDir.
func Default() (Store, error) {
	if root := os.Getenv(Variable); root != "" {
		return Store{root}, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return Store{}, fmt.Errorf("hub: no folder for models: %w; name one by %s", err, Variable)
	}
	return Store{filepath.Join(dir, "umbra", "models")}, nil
}

// at is where a model is, partialAt where it is on its way, and oldAt where it goes before it is removed.
func (s Store) at(place string) string        { return filepath.Join(s.Root, filepath.FromSlash(place)) }
func (s Store) partialAt(place string) string { return s.at("partial/" + place) }
func (s Store) oldAt(place string) string     { return s.at("old/" + place) }

// says is deferred by what is exported, for errors to say whose they are.
func says(err *error) {
	if *err != nil {
		*err = fmt.Errorf("hub: %w", *err)
	}
}
