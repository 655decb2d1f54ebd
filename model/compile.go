package model

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"umbra/shaders"
)

// start makes the launchers and compiles their kernels while the weights are on their way: launchers need shapes alone.
func (m *stage) start(ctx context.Context, src Source, o Options) error {
	compile := func(ctx context.Context) error {
		if err := m.prepare(); err != nil {
			return err
		}
		return m.warm(ctx, o.Warm)
	}
	load := func(ctx context.Context) error { return m.weights.load(ctx, m.device, src, o.Progress) }
	return beside(ctx, compile, load, o.Lazy)
}

// beside runs compile while load runs, and waits for both. The first error ends the other's context, and is returned. With lazy
// the end of load does too: compile then ends as soon as it may.
func beside(ctx context.Context, compile, load func(ctx context.Context) error, lazy bool) error {
	g, ctx := errgroup.WithContext(ctx)
	wanted, enough := context.WithCancel(ctx)
	defer enough()
	g.Go(func() error { return compile(wanted) })
	err := load(ctx)
	g.Go(func() error { return err })
	if lazy {
		enough()
	}
	return g.Wait()
}

// warm compiles what steps of so many rows need, with any output. When ctx ends it begins nothing more, which is no error.
func (m *stage) warm(ctx context.Context, rows []int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, job := range m.compilations(rows) {
		g.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			return job()
		})
	}
	return g.Wait()
}

// compilations are the kernels that steps of so many rows need, apart from those compiled with their launchers. Each is a launcher's
// own, which is not for several goroutines.
func (m *stage) compilations(rows []int) []func() error {
	var all []func() error
	each := func(compile func(rows int) error) {
		all = append(all, func() error {
			for _, n := range rows {
				if err := compile(min(n, m.plan.BatchTokens)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, l := range m.linears {
		each(func(rows int) error {
			if l.Shape.Outputs {
				rows = min(rows, m.plan.Outputs)
			}
			return l.Warm(rows)
		})
	}
	for _, warm := range m.experts.warm() {
		each(warm)
	}
	for _, a := range m.attentions {
		each(func(rows int) error { return a.Warm(rows <= shaders.FewRows, false, rows > shaders.FewRows) })
	}
	if m.topK != nil {
		each(func(int) error { return m.topK.Warm(1) })
	}
	return all
}
