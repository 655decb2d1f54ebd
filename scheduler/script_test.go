package scheduler

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/scheduler/batch"
	"umbra/scheduler/sample"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// TestScripts runs testdata/*.txt. A script is a list of entries, apart by blank lines: commands, one a line, then
// ---- and what they print. Lines that start with # are comments. Every command is followed by Check.
//
//	new block=4 blocks=16 rows=16 sequences=4 context=32 [nopiece] [noreuse] [policy=priority] [preempt=swap] [store=N] [lose] [proposals=N] [outputs=N]
//	add NAME prompt=N [n=N] [best=N] [beams=N] [penalty-of-length=F] [early] [priority=N] [max=N] [stop=S,S] [stoptoken=S] [temp=F] [topk=N] [topp=F] [penalty=F] [last=N] [seed=N]
//	next (again while one step is in flight: the one that follows it), commit, step [N], run (to idle), fail [TEXT],
//	propose NAME RIGHT [WRONG] (tokens that the next step is to verify: so many that come true, then so many that do not)
//	cancel NAME, costs ROW BLOCK, state
//	alone NAME (compares what NAME has come to with a run of its own)
//
// Prompts are made of their name and length; the fake model (fake_test.go) makes the rest. go test -update rewrites
// what commands print; read the difference.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			got := (&script{}).run(string(text))
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
				return
			}
			require.Equal(t, string(text), got)
		})
	}
}

type script struct {
	config   Config
	s        *Scheduler
	model    *fake
	names    map[uint64]string
	ids      map[string]uint64
	requests map[uint64]Request
	results  map[answer]*result
	flying   []landing
	proposed map[uint64][2]int // by propose, until the next step
	out      strings.Builder
}

// landing is a step in flight and what it will give.
type landing struct {
	batch *batch.Batch
	out   []batch.Output
	err   error
}

// run returns the script with every expectation replaced by what happened.
func (x *script) run(text string) string {
	var b strings.Builder
	for i, entry := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		if i > 0 {
			b.WriteString("\n")
		}
		head, _, isEntry := strings.Cut(entry+"\n", "----\n")
		b.WriteString(head)
		if !isEntry {
			continue
		}
		b.WriteString("----\n")
		x.out.Reset()
		for line := range strings.Lines(head) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if err := x.command(strings.Fields(line)); err != nil {
				x.printf("error: %v", err)
			}
			if x.s != nil {
				if err := x.s.Check(); err != nil {
					x.printf("CHECK: %v", err)
				}
			}
		}
		b.WriteString(x.out.String())
	}
	return b.String()
}

func (x *script) printf(format string, args ...any) { fmt.Fprintf(&x.out, format+"\n", args...) }

func (x *script) command(f []string) error {
	switch f[0] {
	case "new":
		return x.open(f[1:])
	case "add":
		return x.add(f[1], f[2:])
	case "next":
		x.next()
		return nil
	case "commit":
		return x.commit()
	case "step":
		n := 1
		if len(f) > 1 {
			n, _ = strconv.Atoi(f[1])
		}
		for range n {
			if len(x.flying) > 0 || x.next() {
				if err := x.commit(); err != nil {
					return err
				}
			}
		}
		return nil
	case "run":
		for len(x.flying) > 0 || x.next() {
			if err := x.commit(); err != nil {
				return err
			}
		}
		return nil
	case "fail":
		var cause error
		if len(f) > 1 {
			cause = errors.New(strings.Join(f[1:], " "))
		}
		var b *batch.Batch
		if len(x.flying) > 0 {
			b, x.flying = x.flying[0].batch, x.flying[1:]
			x.model.spoil(b)
		}
		events, err := x.s.Fail(b, cause)
		x.events(events)
		return err
	case "costs":
		row, _ := strconv.ParseFloat(f[1], 64)
		block, _ := strconv.ParseFloat(f[2], 64)
		x.s.SetCosts(Costs{Row: row, Block: block})
		return nil
	case "propose":
		right, _ := strconv.Atoi(f[2])
		wrong := 0
		if len(f) > 3 {
			wrong, _ = strconv.Atoi(f[3])
		}
		x.proposed[x.ids[f[1]]] = [2]int{right, wrong}
		return nil
	case "cancel":
		e, ok := x.s.Cancel(x.ids[f[1]])
		if !ok {
			return fmt.Errorf("nothing to cancel")
		}
		x.events([]Event{e})
		return nil
	case "state":
		x.state()
		return nil
	case "alone":
		return x.alone(f[1])
	}
	return fmt.Errorf("no such command: %s", f[0])
}

func (x *script) open(args []string) (err error) {
	x.config = Config{Vocabulary: syllables, Piece: syllable}
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		n, _ := strconv.Atoi(value)
		switch key {
		case "block":
			x.config.BlockSize = n
		case "blocks":
			x.config.Blocks = n
		case "rows":
			x.config.MaxBatchTokens = n
		case "sequences":
			x.config.MaxSequences = n
		case "context":
			x.config.Context = n
		case "policy":
			x.config.Policy = map[string]Policy{"fcfs": FCFS, "priority": Priority}[value]
		case "preempt":
			if x.config.Preemption, err = ParsePreemption(value); err != nil {
				return err
			}
		case "store":
			x.config.Store = newFakeStore(n)
		case "lose":
			x.config.Store.(*fakeStore).lose = func() bool { return true }
		case "proposals":
			x.config.Speculation = &Speculation{Most: n, Outputs: x.config.MaxSequences + n, Always: true}
		case "outputs":
			x.config.Speculation.Outputs = n
		case "noreuse":
			x.config.NoPrefixReuse = true
		case "nopiece":
			x.config.Piece = nil
		default:
			return fmt.Errorf("no such setting: %s", a)
		}
	}
	if x.s, err = New(x.config); err != nil {
		return err
	}
	x.model, x.flying = newFake(x.config), nil
	x.names, x.ids = map[uint64]string{}, map[string]uint64{}
	x.requests, x.results, x.proposed = map[uint64]Request{}, map[answer]*result{}, map[uint64][2]int{}
	return nil
}

func (x *script) add(name string, args []string) error {
	r := Request{Sampling: sample.Params{TopP: 1}}
	p := &r.Sampling
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		n, _ := strconv.Atoi(value)
		v, _ := strconv.ParseFloat(value, 64)
		switch key {
		case "prompt":
			r.Prompt = prompt(name, n)
		case "prompt-id":
			r.Prompt = append(r.Prompt, int32(n))
		case "n":
			r.N = n
		case "best":
			r.BestOf = n
		case "beams":
			r.Beams = n
		case "penalty-of-length":
			r.LengthPenalty = v
		case "early":
			r.EarlyStopping = true
		case "priority":
			r.Priority = n
		case "max":
			r.MaxTokens = n
		case "stop":
			r.Stop = strings.Split(value, ",")
		case "stoptoken":
			r.StopTokens = append(r.StopTokens, idOf(value))
		case "temp":
			p.Temperature = v
		case "topk":
			p.TopK = n
		case "topp":
			p.TopP = v
		case "penalty":
			p.Penalty = v
		case "last":
			p.PenaltyLast = n
		case "seed":
			p.Seed = uint64(n)
		default:
			return fmt.Errorf("no such option: %s", a)
		}
	}
	id, err := x.s.Add(r)
	if err != nil {
		return err
	}
	x.names[id], x.ids[name], x.requests[id] = name, id, r
	for i := range max(1, r.N) {
		x.results[answer{id, i}] = &result{}
	}
	return nil
}

// prompt makes n tokens of a name.
func prompt(name string, n int) []int32 {
	var ids []int32
	for i := range n {
		ids = append(ids, int32((int(name[0])*7+i*i+i*int(name[len(name)-1]))%syllables))
	}
	return ids
}

// idOf returns the token of a syllable, or one outside the vocabulary.
func idOf(s string) int32 {
	for id := range int32(syllables) {
		if string(syllable(id)) == s {
			return id
		}
	}
	return syllables
}

// next prints the step: for each sequence the positions of its rows and, after >, what is wanted of the last.
func (x *script) next() bool {
	if len(x.proposed) > 0 {
		x.propose()
	}
	b := x.s.Next()
	if b == nil {
		x.printf("%s", map[bool]string{true: "idle", false: "not yet"}[len(x.flying) == 0])
		return false
	}
	var parts []string
	for _, s := range b.Sequences {
		part := fmt.Sprintf("%s %d", x.name(s.ID, s.Answer), b.Positions[s.Start])
		if s.Rows > 1 {
			part += fmt.Sprintf("-%d", b.Positions[s.Start+s.Rows-1])
		}
		if t := b.Tokens[s.Start+s.Rows-1]; t < 0 {
			part += fmt.Sprintf(" fed by %d", ^t)
		}
		if s.Outputs > 1 {
			part += fmt.Sprintf(" > %d x", s.Outputs)
		} else if s.Outputs > 0 {
			part += " >"
		}
		if s.Outputs > 0 {
			part += " " + map[batch.Want]string{
				batch.WantToken: "token", batch.WantTop: fmt.Sprintf("top %d", b.TopK), batch.WantLogits: "logits",
			}[s.Want]
		}
		parts = append(parts, part)
	}
	for _, c := range b.Copies {
		parts = append(parts, fmt.Sprintf("copy %d to %d", c.From, c.To))
	}
	for _, w := range b.Saves {
		parts = append(parts, fmt.Sprintf("save %s from %v", x.names[w.ID], w.Blocks))
	}
	for _, w := range b.Loads {
		part := fmt.Sprintf("load %s to %v", x.names[w.ID], w.Blocks)
		if w.First > 0 {
			part += fmt.Sprintf(" without its first %d", w.First)
		}
		parts = append(parts, part)
	}
	x.printf("%d rows: %s", len(b.Tokens), strings.Join(parts, ", "))
	out, err := x.model.run(b)
	x.flying = append(x.flying, landing{b, out, err})
	return true
}

// propose makes the proposals that a command has asked for, and prints for whom there can be how many.
func (x *script) propose() {
	for i, a := range x.s.Asks() {
		x.printf("  %s can have %d", x.name(a.ID, a.Answer), a.Most)
		text, p := slices.Clone(a.Tokens), &x.s.asks[i].Proposal
		for n := range x.proposed[a.ID][0] + x.proposed[a.ID][1] {
			id := output(logitsOf(text), batch.WantToken, 0).Token
			if n >= x.proposed[a.ID][0] {
				id = (id + 1) % syllables
			}
			text = append(text, id)
			p.Tokens, p.Classes = append(p.Tokens, id), append(p.Classes, 0)
		}
	}
	clear(x.proposed)
}

func (x *script) commit() error {
	var l landing
	if len(x.flying) > 0 {
		l, x.flying = x.flying[0], x.flying[1:]
	}
	if l.err != nil {
		return l.err
	}
	events, err := x.s.Commit(l.batch, l.out)
	x.events(events)
	return err
}

// events prints each event: tokens gained as syllables, text in quotes, the end.
func (x *script) events(events []Event) {
	for _, e := range events {
		if e.Answer != AllAnswers {
			x.results[answer{e.ID, e.Answer}].add(e)
		}
		var line strings.Builder
		fmt.Fprintf(&line, "  %s:", x.name(e.ID, e.Answer))
		for _, id := range e.Tokens {
			fmt.Fprintf(&line, " %s", syllable(id))
		}
		if string(e.Text) != "" {
			fmt.Fprintf(&line, " %q", e.Text)
		}
		if e.Reason != Unfinished {
			fmt.Fprintf(&line, " ends: %v (%d + %d tokens", e.Reason, e.Usage.Prompt, e.Usage.Generated)
			if e.Usage.Cached > 0 {
				fmt.Fprintf(&line, ", %d cached", e.Usage.Cached)
			}
			if e.Usage.Preemptions > 0 {
				fmt.Fprintf(&line, ", preempted %d times", e.Usage.Preemptions)
			}
			line.WriteString(")")
			if e.LogProb != 0 {
				fmt.Fprintf(&line, " log p %.3f", e.LogProb)
			}
			if e.Score != 0 {
				fmt.Fprintf(&line, " score %.3f", e.Score)
			}
		}
		if e.Err != nil {
			fmt.Fprintf(&line, " %v", e.Err)
		}
		x.printf("%s", line.String())
	}
}

// state prints each sequence as computed/known, with its blocks.
func (x *script) state() {
	for _, q := range x.s.running {
		line := fmt.Sprintf("  %s runs %d/%d in %v", x.name(q.id, q.answer), q.computed, len(q.tokens), q.table.Blocks(q.table.Len()))
		if q.rows > 0 {
			line += fmt.Sprintf(", %d rows in flight", q.rows)
		}
		if q.ended {
			line += ", ended"
		}
		x.printf("%s", line)
	}
	for _, q := range x.s.waiting {
		line := fmt.Sprintf("  %s waits %d/%d", x.name(q.id, q.answer), q.computed, len(q.tokens))
		if w := q.group.parked; w != nil {
			i := slices.Index(q.group.members, q)
			line += fmt.Sprintf(", %d saved in %v", w.computed[i], w.layout[i].Blocks[0])
		}
		x.printf("%s", line)
	}
	st := x.s.Stats()
	line := fmt.Sprintf("  free %d of %d; %d steps, %d rows (%d again), %d outputs, %d preemptions",
		st.BlocksFree, st.Blocks, st.Steps, st.Rows, st.Recomputed, st.Outputs, st.Preemptions)
	if st.PrefixHits > 0 {
		line += fmt.Sprintf("; %d of %d tokens found", st.PrefixHits, st.PrefixQueries)
	}
	if st.Swaps > 0 {
		line += fmt.Sprintf("; %d swaps, %d blocks saved, %d loaded, %d losses", st.Swaps, st.BlocksSaved, st.BlocksLoaded, st.Losses)
	}
	if sp := st.Speculated; sp.Turns > 0 {
		line += fmt.Sprintf("; %d tokens of %d turns, accepted %v of %v", sp.Tokens, sp.Turns, sp.Accepted[:4], sp.Proposed[:4])
	}
	x.printf("%s", line)
}

// name returns a request's name and, if several answers were asked for, which of them: letters from A.
func (x *script) name(id uint64, answer int) string {
	switch name := x.names[id]; {
	case x.requests[id].answers() == 1:
		return name
	case answer == AllAnswers:
		return name + "*"
	default:
		return name + string(rune('A'+answer))
	}
}

func (x *script) alone(name string) error {
	id := x.ids[name]
	wants, err := alone(x.config, x.requests[id])
	if err != nil {
		return err
	}
	for i, want := range wants {
		got := x.results[answer{id, i}]
		if err := want.differs(got); err != nil {
			return fmt.Errorf("%s: %w", x.name(id, i), err)
		}
		x.printf("  %s is the same alone: %q", x.name(id, i), want.text)
	}
	return nil
}
