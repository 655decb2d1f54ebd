package hub

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"
)

// Options are how Pull goes about it. The zero value asks Hugging Face's hub, without a token.
type Options struct {
	Endpoint string // of the hub; "" is DefaultEndpoint
	Token    string // for the endpoint, and sent nowhere else
	SHA256   string // in hex: what the model's one file must have

	Progress func(done, total int64) // bytes of the whole model; total is -1 while it is not known
	Say      func(string)            // is told what was chosen, and what is tried again

	sleep func(ctx context.Context, d time.Duration) error // tests have their own
	stall time.Duration
}

// filled has no nil.
func (o Options) filled() Options {
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.sleep == nil {
		o.sleep = sleep
	}
	if o.stall == 0 {
		o.stall = time.Minute
	}
	return o
}

func (o Options) retry() *retry { return &retry{sleep: o.sleep, say: o.Say} }

// Pull brings a model to the store, unless it is there as it is now. What an earlier Pull has left is gone on with. After an error, ctx's too, what
// came is kept for the next unless it was wrong, and the model that was there before, if any, is there still.
func (s Store) Pull(ctx context.Context, name string, o Options) (m Model, err error) {
	defer says(&err)
	o = o.filled()
	if raw, err := hex.DecodeString(o.SHA256); err != nil || len(raw) != 0 && len(raw) != 32 {
		return m, fmt.Errorf("SHA-256 %q is not 64 hexadecimal digits", o.SHA256)
	}
	r, err := parse(name)
	if err != nil {
		return m, err
	}
	c, err := newClient(o.Endpoint, o.Token)
	if err != nil {
		return m, err
	}
	defer c.close()
	if m, err = s.planned(ctx, c, r, o); err != nil {
		return m, err
	}
	unlock, err := s.lock(ctx, m.place, func() { o.Say("somebody else pulls " + m.Name + "; waiting") })
	if err != nil {
		return m, err
	}
	defer unlock()
	if have, err := s.read(s.Root, m.place); err == nil && have.check() == nil && c.current(ctx, r, have, m, o) {
		o.Say(m.Name + " is there already")
		m.Files, m.Pulled, m.folder = have.Files, have.Pulled, have.folder
		return m, m.write()
	}
	if err := s.stage(&m); err != nil {
		return m, err
	}
	if err := m.bring(ctx, c, r, o); err != nil {
		return m, fmt.Errorf("%s: %w", m.Name, c.explain(err, r.repo, m.Revision))
	}
	return m, s.replace(&m)
}

// current reports whether what is there is what is wanted.
func (c *client) current(ctx context.Context, r ref, have, want Model, o Options) bool {
	if r.url == "" || o.SHA256 != "" {
		return sameFiles(have.Files, want.Files)
	}
	ask, err := http.NewRequestWithContext(ctx, http.MethodHead, r.url, nil)
	if err != nil {
		return false
	}
	answer, err := c.http.Do(ask)
	if err != nil {
		return false // so will the download, and say why
	}
	answer.Body.Close()
	etag := answer.Header.Get("ETag")
	return answer.StatusCode == http.StatusOK && etag == have.Files[0].ETag && (answer.ContentLength < 0 || answer.ContentLength == have.Files[0].Size)
}

// bring fetches all files of a staged model.
func (m *Model) bring(ctx context.Context, c *client, r ref, o Options) error {
	var before int64
	for i := range m.Files {
		f := &m.Files[i]
		one := fetch{client: c, url: r.url, want: f, sized: r.url == "", folder: m.folder, gguf: m.Label != folderLabel, retry: o.retry(), stall: o.stall, save: m.write}
		if r.url == "" {
			one.url = c.fileURL(r.repo, m.Commit, f.Path)
		}
		one.moved = func(n int64) {
			total := m.Size()
			if f.Size < 0 {
				total = -1
			}
			o.Progress(before+n, total)
		}
		if err := one.run(ctx); err != nil {
			return err
		}
		before += f.Size
	}
	m.Pulled = time.Now().UTC().Truncate(time.Second)
	return m.write()
}
