package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"umbra"
	"umbra/model"
	"umbra/scheduler"
)

// metrics are what /metrics tells: names that begin with umbra_, and the same by vLLM's names where that is asked for.
type metrics struct {
	server   *Server
	registry *prometheus.Registry
	sets     []instruments // one, or two with vLLM's names
}

// instruments are the metrics that requests write to.
type instruments struct {
	firstToken, interToken, endToEnd, queue, prefill, decode prometheus.Histogram
	prompt, generated                                        prometheus.Counter
	ended                                                    *prometheus.CounterVec
}

// Seconds, from a millisecond to some minutes.
var (
	seconds = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250}
	between = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}
)

// vllm is the prefix of vLLM's names.
const vllm = "vllm:"

func newMetrics(s *Server) *metrics {
	m := &metrics{server: s, registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.add("umbra_", nil)
	if s.options.VLLM {
		m.add(vllm, prometheus.Labels{"model_name": s.options.Model})
	}
	return m
}

// add registers all metrics with names that begin with prefix.
func (m *metrics) add(prefix string, labels prometheus.Labels) {
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets, ConstLabels: labels})
		m.registry.MustRegister(h)
		return h
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help, ConstLabels: labels})
		m.registry.MustRegister(c)
		return c
	}
	i := instruments{
		firstToken: histogram("time_to_first_token_seconds", "Seconds from a request to its first token.", seconds),
		interToken: histogram("inter_token_latency_seconds", "Seconds between two tokens of an answer.", between),
		endToEnd:   histogram("e2e_request_latency_seconds", "Seconds from a request to its end.", seconds),
		queue:      histogram("request_queue_time_seconds", "Seconds from a request to its first step.", seconds),
		prefill:    histogram("request_prefill_time_seconds", "Seconds from a request's first step to its first token.", seconds),
		decode:     histogram("request_decode_time_seconds", "Seconds from a request's first token to its last.", seconds),
		prompt:     counter("prompt_tokens_total", "Tokens of prompts."),
		generated:  counter("generation_tokens_total", "Tokens generated."),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "request_success_total", Help: "Answers that ended, by why.",
			ConstLabels: labels}, []string{"finished_reason"}),
	}
	m.registry.MustRegister(i.ended)
	for _, reason := range []string{"stop", "length", "abort", "error"} {
		i.ended.WithLabelValues(reason)
	}
	m.sets = append(m.sets, i)
	m.registry.MustRegister(newState(m.server, prefix, labels))
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// between counts the time between two tokens.
func (m *metrics) between(d time.Duration) {
	for _, i := range m.sets {
		i.interToken.Observe(d.Seconds())
	}
}

// ended counts a request that was run.
func (m *metrics) ended(r umbra.Result, err error, took time.Duration) {
	for _, i := range m.sets {
		i.prompt.Add(float64(r.Usage.Prompt))
		for _, a := range r.Answers {
			i.generated.Add(float64(a.Usage.Generated))
			switch reason := finish(a.Reason); {
			case reason != "error":
				i.ended.WithLabelValues(reason).Inc()
			case a.Reason == scheduler.Failed:
				i.ended.WithLabelValues("error").Inc()
			default:
				i.ended.WithLabelValues("abort").Inc()
			}
		}
		if err != nil {
			continue
		}
		i.endToEnd.Observe(took.Seconds())
		i.firstToken.Observe(r.Prefill.Seconds())
		i.queue.Observe(r.Queued.Seconds())
		i.prefill.Observe((r.Prefill - r.Queued).Seconds())
		i.decode.Observe(r.Decode.Seconds())
	}
}

// state collects what the scheduler counts, when it is asked for.
type state struct {
	server *Server
	all    []described
}

type described struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(s scheduler.Stats) float64
}

func newState(s *Server, prefix string, labels prometheus.Labels) *state {
	c := &state{server: s}
	add := func(kind prometheus.ValueType, name, help string, value func(scheduler.Stats) float64) {
		c.all = append(c.all, described{prometheus.NewDesc(prefix+name, help, nil, labels), kind, value})
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	used := func(s scheduler.Stats) float64 { return 1 - float64(s.BlocksFree)/float64(s.Blocks) }
	add(gauge, "num_requests_running", "Sequences that run.", func(s scheduler.Stats) float64 { return float64(s.Running) })
	add(gauge, "num_requests_waiting", "Sequences that wait.", func(s scheduler.Stats) float64 { return float64(s.Waiting) })
	add(gauge, "kv_cache_usage_perc", "Share of the KV blocks that running sequences hold, 1 being all.", used)
	suffixes := []string{"_total"}
	if prefix == vllm { // its own name, and how Python's client writes that
		suffixes = []string{"", "_total"}
		add(gauge, "gpu_cache_usage_perc", "Share of the KV blocks that running sequences hold, 1 being all.", used)
	}
	for _, suffix := range suffixes {
		add(counter, "prefix_cache_queries"+suffix, "Tokens of sequences that were admitted.", func(s scheduler.Stats) float64 { return float64(s.PrefixQueries) })
		add(counter, "prefix_cache_hits"+suffix, "Tokens of these that were found in the cache.", func(s scheduler.Stats) float64 { return float64(s.PrefixHits) })
	}
	add(counter, "num_preemptions_total", "Requests that lost their blocks to others.", func(s scheduler.Stats) float64 { return float64(s.Preemptions) })
	config := prometheus.Labels{"block_size": strconv.Itoa(model.BlockSize), "num_gpu_blocks": strconv.Itoa(s.engine.Info().Plan.Blocks)}
	for k, v := range labels {
		config[k] = v
	}
	c.all = append(c.all, described{prometheus.NewDesc(prefix+"cache_config_info", "How the KV cache is sized.", nil, config), gauge,
		func(scheduler.Stats) float64 { return 1 }})
	if prefix != vllm {
		add(counter, "steps_total", "Steps computed.", func(s scheduler.Stats) float64 { return float64(s.Steps) })
		add(counter, "rows_total", "Token rows computed.", func(s scheduler.Stats) float64 { return float64(s.Rows) })
	}
	return c
}

// Describe is for prometheus.
func (c *state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.all {
		out <- d.desc
	}
}

// Collect is for prometheus.
func (c *state) Collect(out chan<- prometheus.Metric) {
	stats, ok := c.server.engine.Stats()
	if !ok {
		return
	}
	for _, d := range c.all {
		out <- prometheus.MustNewConstMetric(d.desc, d.kind, d.value(stats))
	}
}
