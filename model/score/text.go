package score

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"

	"umbra/model"
	"umbra/model/klfile"
	"umbra/scheduler/batch"
)

// Progress is told how many of all scored tokens are done, and the mean of their negative log-probabilities. Nil: nobody is.
type Progress func(done, total int, nll Mean)

// Perplexity scores windows and returns the mean of negative log-probabilities. Only those come back from the device.
func Perplexity(ctx context.Context, m *model.Model, windows []Window, progress Progress) (nll Mean, err error) {
	total := Scored(windows)
	err = Run(ctx, m, windows, batch.WantScore, func(w Window, at int, out []batch.Output) error {
		for i, o := range out {
			if math.IsNaN(o.Score) {
				return fmt.Errorf("%w: token %d of a window", ErrNoNumbers, at+i)
			}
			nll.Add(-o.Score)
		}
		progress.report(total, nll)
		return nil
	})
	return nll, err
}

// Save is Perplexity that writes what the model makes of each token to a file begun for Scored(windows) rows. It closes it.
func Save(ctx context.Context, m *model.Model, windows []Window, file *klfile.Writer, progress Progress) (nll Mean, err error) {
	defer func() {
		if e := file.Close(); err == nil { // a file that is not whole is no second fault
			err = e
		}
	}()
	total := Scored(windows)
	var rows []klfile.Row
	err = Run(ctx, m, windows, batch.WantLogits, func(w Window, at int, out []batch.Output) error {
		for len(rows) < len(out) {
			rows = append(rows, klfile.Row{})
		}
		err := each(len(out), func(i int) error {
			if !rows[i].Encode(out[i].Logits, w.Tokens[at+i]) {
				return fmt.Errorf("%w: token %d of a window", ErrNoNumbers, at+i)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i := range out {
			nll.Add(-float64(rows[i].Target))
			if err := file.Write(&rows[i]); err != nil {
				return err
			}
		}
		progress.report(total, nll)
		return nil
	})
	return nll, err
}

// Compare compares the model with the one that a file was saved with, over the same windows.
func Compare(ctx context.Context, m *model.Model, windows []Window, file *klfile.Reader, progress Progress) (c Comparison, err error) {
	total := Scored(windows)
	if total != file.Header.Rows || m.Plan().Config.Vocab != file.Header.Vocab {
		return c, fmt.Errorf("score: the file has %d rows of %d tokens, not %d of %d", file.Header.Rows, file.Header.Vocab, total, m.Plan().Config.Vocab)
	}
	var rows []klfile.Row
	var all []Divergence
	err = Run(ctx, m, windows, batch.WantLogits, func(w Window, at int, out []batch.Output) error {
		for len(rows) < len(out) {
			rows, all = append(rows, klfile.Row{}), append(all, Divergence{})
		}
		for i := range out {
			if err := file.Next(&rows[i]); err != nil {
				return err
			}
		}
		err := each(len(out), func(i int) (err error) {
			if all[i], err = Diverge(out[i].Logits, w.Tokens[at+i], &rows[i]); err != nil {
				err = fmt.Errorf("%w: token %d of a window", err, at+i)
			}
			return err
		})
		if err != nil {
			return err
		}
		for i := range out {
			c.Add(all[i])
		}
		progress.report(total, c.nll)
		return nil
	})
	if err != nil {
		return c, err
	}
	if err := file.Next(&klfile.Row{}); err != io.EOF {
		return c, errors.Join(errors.New("score: the file has more rows"), err)
	}
	return c, nil
}

func (p Progress) report(total int, nll Mean) {
	if p != nil {
		p(nll.Count(), total, nll)
	}
}

// each runs f for 0..n-1 on all cores, and returns one of the errors.
func each(n int, f func(i int) error) error {
	var g errgroup.Group
	cores := runtime.GOMAXPROCS(0)
	for c := range cores {
		g.Go(func() error {
			for i := c; i < n; i += cores {
				if err := f(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
