package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"umbra"
	"umbra/cmd/umbra/internal/server"
	"umbra/cmd/umbra/internal/term"
	"umbra/gpu"
)

type serveCommand struct {
	Model         string        `short:"m" placeholder:"FILE" help:"Model: a file (GGUF), a folder of Hugging Face's, or a name as umbra pull takes it. Default: the built-in one."`
	Listen        string        `default:"127.0.0.1:8080" placeholder:"ADDRESS" help:"Where to listen (${default}). :8080 is every interface of this machine; give keys then."`
	Name          string        `placeholder:"NAME" help:"What the model is called. Default: the file's name, without its folder and ending."`
	APIKey        []string      `name:"api-key" placeholder:"KEY" help:"Answer only who gives this key, or another of them, as a bearer token; may be repeated. An environment variable is a better place for it."`
	APIKeyFile    string        `name:"api-key-file" placeholder:"FILE" help:"The same, from a file with a key a line."`
	CORS          []string      `name:"cors-origin" placeholder:"ORIGIN" help:"Let browsers ask from pages of this origin, or * for any; may be repeated. Default: from none."`
	Queue         int           `default:"64" placeholder:"N" help:"How many sequences may wait beside those that run; more are refused with 429 (${default})."`
	Body          byteSize      `name:"max-body" default:"8MiB" placeholder:"SIZE" help:"Largest body of a request (${default})."`
	Drain         time.Duration `default:"30s" placeholder:"TIME" help:"How long to wait at the end for requests that run (${default})."`
	Linger        time.Duration `default:"0s" placeholder:"TIME" help:"How long before that to take requests still, while /ready answers 503, for routers to notice (${default})."`
	MetricsCompat string        `enum:"none,vllm" default:"none" help:"Have /metrics use the names of vLLM too: vllm, or none (${default})."`
	NoPage        bool          `help:"Answer no browsers: no page at /, and no live view of the scheduler at /live."`
	Context       int           `name:"ctx" placeholder:"TOKENS" help:"Longest sequence, prompt and continuation together. Default: the model's own, up to 8192."`
	KVType        string        `name:"kv-type" enum:"f32,f16,int8" default:"f32" help:"Keep keys and values as f32, f16 (half the memory) or int8 (a quarter, and scales)."`
	Quiet         bool          `short:"q" help:"Say nothing on standard error but errors."`
	capacityFlags
	adaptersFlag
}

func (serveCommand) Help() string {
	return `Answers HTTP requests in the forms of OpenAI's API: /v1/chat/completions (for models with a chat template), /v1/completions,
/v1/embeddings and /v1/models; in llama.cpp's: /infill, /tokenize and /detokenize; and /health, /ready and /metrics. A browser finds a page
to try the model at /, and sees there what the scheduler does. Ctrl-C or SIGTERM ends it when the requests that run have ended,
or after --drain; a second one kills. While the model loads, /health answers 200 and /ready 503. A device that is lost ends the server with exit status 1.

Examples:
  umbra serve
  umbra serve -m model.gguf --kv-memory 80% --max-sequences 64
  umbra serve -m model.gguf --linger 10s --drain 2m       behind a router that asks /ready
  UMBRA_API_KEY=secret umbra serve -m model.gguf --listen :8080
  curl http://127.0.0.1:8080/v1/completions -d '{"prompt": "func main() {", "max_tokens": 32, "temperature": 0}'`
}

// Validate refuses what parsing alone cannot.
func (s *serveCommand) Validate() error {
	switch {
	case s.Context < 0:
		return fmt.Errorf("--ctx %d must be at least 1; leave it out for the model's own", s.Context)
	case s.Queue < 0:
		return fmt.Errorf("--queue %d must be at least 0", s.Queue)
	case s.Drain < 0:
		return fmt.Errorf("--drain %v must be at least 0", s.Drain)
	case s.Linger < 0:
		return fmt.Errorf("--linger %v must be at least 0", s.Linger)
	}
	return s.capacityFlags.validate()
}

func (s *serveCommand) Run(c *console) error {
	if s.Quiet {
		c.hush()
	}
	keys, err := s.keys()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.Listen) // before the model is loaded
	if err != nil {
		return fmt.Errorf("%w; give another --listen, say 127.0.0.1:8081", err)
	}
	defer l.Close()
	if host, _, _ := net.SplitHostPort(l.Addr().String()); len(keys) == 0 && !net.ParseIP(host).IsLoopback() {
		c.say("anyone who reaches %s may use it; give --api-key, or listen on 127.0.0.1", l.Addr())
	}
	queue := s.Queue
	if queue == 0 {
		queue = -1 // none
	}
	web := server.Waiting(server.Options{Model: s.name(), Keys: keys, Origins: s.CORS, Queue: queue, Body: int64(s.Body), Linger: s.Linger,
		VLLM: s.MetricsCompat == "vllm", NoPage: s.NoPage, Version: versionText(), Log: c.log})
	ctx, end := context.WithCancel(context.Background())
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(ctx, l, s.Drain) }()
	o := umbra.Options{Adapter: s.Adapter, Split: s.Split, MicroBatch: s.MicroBatch, Limits: gpu.LimitSet(s.Limits), Context: s.Context, KVType: s.KVType, Tuned: true,
		Warn: func(err error) { c.warn("%v", err) }}
	s.capacityFlags.apply(&o, 16)
	engine, err := openEngine(c, s.Model, o)
	if err != nil {
		return err
	}
	defer engine.Close()
	c.say("%s", chosen(engine.Info().Verdicts))
	sayLines(c, engine.Placed())
	c.say("%s", planText(engine.Info().Plan))
	if _, err := engine.Template(); errors.Is(err, umbra.ErrNoTemplate) {
		c.say("the model has no chat template: /v1/chat/completions refuses, /v1/completions answers")
	} else if err != nil {
		c.say("%v: /v1/chat/completions refuses, /v1/completions answers", err)
	}
	signalled, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // until here they kill: nothing runs
	defer stop()
	context.AfterFunc(signalled, func() {
		stop()
		c.say("ending; waiting for requests that run")
		end()
	})
	web.Take(engine)
	c.say("listening on http://%s", l.Addr())
	if err := <-ended; err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// name is what the model is called; "" is what its file says.
func (s *serveCommand) name() string {
	switch {
	case s.Name != "":
		return s.Name
	case strings.HasPrefix(s.Model, "hf:"):
		return s.Model[len("hf:"):]
	case s.Model != "":
		return strings.TrimSuffix(filepath.Base(s.Model), ".gguf")
	}
	return ""
}

func (s *serveCommand) keys() ([]string, error) {
	keys := s.APIKey
	if s.APIKeyFile != "" {
		data, err := os.ReadFile(s.APIKeyFile)
		if err != nil {
			return nil, err
		}
		keys = append(keys, strings.Fields(string(data))...)
		if len(keys) == 0 {
			return nil, fmt.Errorf("%s has no keys", s.APIKeyFile)
		}
	}
	return keys, nil
}

// openEngine opens a model, by its path or its name, or the built-in one. A bar shows the load if it takes long.
func openEngine(c *console, model string, o umbra.Options) (*umbra.Engine, error) {
	path, err := located(model)
	if err != nil {
		return nil, err
	}
	bar := term.NewProgress(c.bars, "loading")
	defer bar.End()
	o.Progress = bar.Set
	if path != "" {
		return umbra.Open(path, o)
	}
	data, err := embedded()
	if err != nil {
		return nil, err
	}
	return umbra.OpenBytes(embeddedName, data, o)
}
