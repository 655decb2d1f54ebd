package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/gpu"
	"umbra/internal/parrot"
)

const draft = "../../../../testdata/gopher-draft-4m-q8_0.gguf"

func opened(t testing.TB, e *umbra.Engine, err error) *umbra.Engine {
	t.Helper()
	if errors.Is(err, gpu.ErrNoAdapter) {
		t.Skipf("no adapter: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

func parroting(t testing.TB) *umbra.Engine {
	e, err := umbra.OpenBytes("parrot", parrot.GGUF(), umbra.Options{Sequences: 4})
	return opened(t, e, err)
}

// serve serves an engine and returns a client and the address.
func serve(t testing.TB, e *umbra.Engine, o Options) (openai.Client, string) {
	t.Helper()
	s := httptest.NewServer(New(e, o))
	t.Cleanup(s.Close)
	return openai.NewClient(option.WithBaseURL(s.URL+"/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0)), s.URL
}

var (
	hello   = []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be kind."), openai.UserMessage("Hi")}
	weather = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name: "weather", Parameters: openai.FunctionParameters{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}}})}
)

func TestChat(t *testing.T) {
	client, _ := serve(t, parroting(t), Options{})
	ctx := context.Background()
	ask := openai.ChatCompletionNewParams{Model: "parrot", Messages: hello, Temperature: openai.Float(0), Logprobs: openai.Bool(true),
		TopLogprobs: openai.Int(2), N: openai.Int(2)}
	for i := range 2 {
		c, err := client.Chat.Completions.New(ctx, ask)
		require.NoError(t, err)
		require.Len(t, c.Choices, 2)
		for _, choice := range c.Choices {
			assert.Equal(t, parrot.Greeting, choice.Message.Content)
			assert.Equal(t, "stop", choice.FinishReason)
			require.Len(t, choice.Logprobs.Content, 5)
			assert.Equal(t, "Hello", choice.Logprobs.Content[0].Token)
			assert.Equal(t, []int64{'H', 'e', 'l', 'l', 'o'}, choice.Logprobs.Content[0].Bytes)
			assert.Less(t, choice.Logprobs.Content[0].Logprob, 0.0)
			require.Len(t, choice.Logprobs.Content[0].TopLogprobs, 2)
			assert.Equal(t, "Hello", choice.Logprobs.Content[0].TopLogprobs[0].Token)
		}
		assert.EqualValues(t, 12, c.Usage.CompletionTokens)
		assert.Equal(t, c.Usage.PromptTokens+12, c.Usage.TotalTokens)
		if i == 1 {
			assert.GreaterOrEqual(t, c.Usage.PromptTokensDetails.CachedTokens, int64(0))
		}
	}
	ask.MaxCompletionTokens, ask.N, ask.Logprobs, ask.TopLogprobs = openai.Int(2), openai.Int(1), openai.Bool(false), openai.Int(0)
	c, err := client.Chat.Completions.New(ctx, ask)
	require.NoError(t, err)
	assert.Equal(t, "Hello, ", c.Choices[0].Message.Content)
	assert.Equal(t, "length", c.Choices[0].FinishReason)
	ask.MaxCompletionTokens, ask.Stop = openai.Int(50), openai.ChatCompletionNewParamsStopUnion{OfStringArray: []string{" friend"}}
	c, err = client.Chat.Completions.New(ctx, ask)
	require.NoError(t, err)
	assert.Equal(t, "Hello, dear", c.Choices[0].Message.Content)
}

func TestChatStream(t *testing.T) {
	client, _ := serve(t, parroting(t), Options{})
	stream := client.Chat.Completions.NewStreaming(context.Background(), openai.ChatCompletionNewParams{Model: "parrot", Messages: hello,
		Temperature: openai.Float(0), StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}})
	var all openai.ChatCompletionAccumulator
	pieces := 0
	for stream.Next() {
		require.True(t, all.AddChunk(stream.Current()))
		pieces++
	}
	require.NoError(t, stream.Err())
	require.Len(t, all.Choices, 1)
	assert.Equal(t, parrot.Greeting, all.Choices[0].Message.Content)
	assert.Equal(t, "stop", all.Choices[0].FinishReason)
	assert.EqualValues(t, "assistant", all.Choices[0].Message.Role)
	assert.EqualValues(t, 6, all.Usage.CompletionTokens)
	assert.GreaterOrEqual(t, pieces, 7, "a piece a token")
}

func TestTools(t *testing.T) {
	client, _ := serve(t, parroting(t), Options{})
	ctx := context.Background()
	ask := openai.ChatCompletionNewParams{Model: "parrot", Messages: hello, Tools: weather, Temperature: openai.Float(0)}
	c, err := client.Chat.Completions.New(ctx, ask)
	require.NoError(t, err)
	m := c.Choices[0].Message
	assert.Equal(t, "tool_calls", c.Choices[0].FinishReason)
	assert.Equal(t, "Let me see.", m.Content)
	require.Len(t, m.ToolCalls, 1)
	assert.Equal(t, parrot.Named, m.ToolCalls[0].Function.Name)
	assert.JSONEq(t, parrot.Arguments, m.ToolCalls[0].Function.Arguments)

	stream := client.Chat.Completions.NewStreaming(ctx, ask)
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			assert.NotContains(t, choice.Delta.Content, "<tool")
		}
		all.AddChunk(stream.Current())
	}
	require.NoError(t, stream.Err())
	assert.Equal(t, "Let me see.", all.Choices[0].Message.Content)
	require.Len(t, all.Choices[0].Message.ToolCalls, 1)
	assert.Equal(t, parrot.Named, all.Choices[0].Message.ToolCalls[0].Function.Name)
	assert.Equal(t, "tool_calls", all.Choices[0].FinishReason)

	ask.Messages = append(ask.Messages, m.ToParam(), openai.ToolMessage("-3", m.ToolCalls[0].ID))
	c, err = client.Chat.Completions.New(ctx, ask)
	require.NoError(t, err)
	assert.Equal(t, parrot.Greeting, c.Choices[0].Message.Content)
}

func TestCompletionsAndEmbeddings(t *testing.T) {
	e, err := umbra.Open(draft, umbra.Options{Context: 128, Sequences: 4})
	client, url := serve(t, opened(t, e, err), Options{Model: "draft"})
	ctx := context.Background()
	alone := map[string]string{}
	for _, p := range []string{"func main() {", "package "} {
		e.Generate(ctx, umbra.Request{Prompt: p, MaxTokens: 12}, func(c umbra.Chunk) error { alone[p] += c.Text; return nil })
	}
	c, err := client.Completions.New(ctx, openai.CompletionNewParams{Model: "draft", MaxTokens: openai.Int(12), Temperature: openai.Float(0),
		Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"func main() {", "package "}}, Echo: openai.Bool(true)})
	require.NoError(t, err)
	require.Len(t, c.Choices, 2)
	assert.Equal(t, "func main() {"+alone["func main() {"], c.Choices[0].Text)
	assert.Equal(t, "package "+alone["package "], c.Choices[1].Text)
	c, err = client.Completions.New(ctx, openai.CompletionNewParams{Model: "draft", MaxTokens: openai.Int(8), Logprobs: openai.Int(3), Seed: openai.Int(3), N: openai.Int(2), BestOf: openai.Int(4),
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("func ")}})
	require.NoError(t, err)
	require.Len(t, c.Choices, 2)
	likes := c.Choices[0].Logprobs
	require.NotEmpty(t, likes.Tokens)
	assert.Equal(t, c.Choices[0].Text, strings.Join(likes.Tokens, ""))
	assert.Len(t, likes.TopLogprobs[0], 3)
	assert.EqualValues(t, 0, likes.TextOffset[0])
	biased, err := client.Completions.New(ctx, openai.CompletionNewParams{Model: "draft", MaxTokens: openai.Int(3), LogitBias: map[string]int64{"953": 100},
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("func ")}})
	require.NoError(t, err)
	assert.Equal(t, "\tfmt\tfmt\tfmt", biased.Choices[0].Text)
	stream := client.Completions.NewStreaming(ctx, openai.CompletionNewParams{Model: "draft", MaxTokens: openai.Int(12), Temperature: openai.Float(0),
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("package ")}})
	text := ""
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			text += choice.Text
		}
	}
	require.NoError(t, stream.Err())
	assert.Equal(t, alone["package "], text)

	v, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: "draft", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a b", "func"}}})
	require.NoError(t, err)
	require.Len(t, v.Data, 2)
	require.Len(t, v.Data[0].Embedding, 256)
	want, err := e.Embed(ctx, umbra.EmbedRequest{Text: "func"})
	require.NoError(t, err)
	for i, x := range want.Vector {
		assert.InDelta(t, x, v.Data[1].Embedding[i], 1e-5)
	}
	assert.Positive(t, v.Usage.PromptTokens)

	status, body := post(t, url+"/infill", `{"input_prefix": "func main() {\n", "input_suffix": "\n}\n", "n_predict": 8}`)
	assert.Equal(t, 200, status)
	assert.Contains(t, body, `"tokens_predicted":`)
	status, body = post(t, url+"/infill", `{"input_prefix": "func main() {\n", "input_suffix": "\n}\n", "n_predict": 8, "stream": true}`)
	assert.Equal(t, 200, status)
	assert.Contains(t, body, `"stop":true`)
	_, body = post(t, url+"/tokenize", `{"content": "func main", "add_special": true}`)
	assert.JSONEq(t, `{"tokens": [0, 337, 995], "count": 3, "max_model_len": 128}`, body)
	_, body = post(t, url+"/detokenize", `{"tokens": [337, 995]}`)
	assert.JSONEq(t, `{"content": "func main"}`, body)
	status, body = post(t, url+"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}]}`)
	assert.Equal(t, 400, status)
	assert.Contains(t, body, "no chat template")
}

func post(t testing.TB, url, body string) (int, string) {
	t.Helper()
	r, err := http.Post(url, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(data)
}

func TestErrors(t *testing.T) {
	client, url := serve(t, parroting(t), Options{Body: 4096, Queue: -1})
	ctx := context.Background()
	_, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: "gpt-9", Messages: hello})
	var known *openai.Error
	require.ErrorAs(t, err, &known)
	assert.Equal(t, 404, known.StatusCode)
	assert.Equal(t, "model_not_found", known.Code)
	assert.Equal(t, "invalid_request_error", known.Type)
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/v1/chat/completions", `{"messages": [`, 400, "is not the JSON that is wanted"},
		{"/v1/chat/completions", `{"messages": []}`, 400, "there are no messages"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}`, 400, "reads text only"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "temperature": -1}`, 400, "temperature -1 is out of range"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "n": 9}`, 400, "at most 4 sequences"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "top_logprobs": 50}`, 400, "want 0 to 20"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "xml"}}`, 400, "xml"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "logit_bias": {"99999": 1}}`, 400, "no token of the vocabulary"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "` + strings.Repeat("x", 1000) + `"}]}`, 400, "context of 512; shorten it to at most 511"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "` + strings.Repeat("x", 1000) + `"}], "stream": true}`, 400, "context_length_exceeded"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "` + strings.Repeat("x", 9000) + `"}]}`, 413, "above 4096 bytes"},
		{"/v1/completions", `{"prompt": "x", "best_of": 2, "n": 3}`, 400, "best_of is 2"},
		{"/v1/completions", `{"prompt": "x", "max_tokens": 0}`, 400, "max_tokens is 0"},
		{"/v1/completions", `{"prompt": {}}`, 400, "a text, texts, tokens or lists of tokens"},
		{"/v1/completions", `{"prompt": [999999]}`, 400, "not in the vocabulary"},
		{"/v1/completions", `{"prompt": "x", "grammar": "root = 1"}`, 400, "grammar: line 1, column 6: want ::="},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "grammar": "root ::= x", "stream": true}`, 400, "refers to x"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "grammar": "root ::= \"x\"", "tools": [{"type": "function", "function": {"name": "f"}}]}`, 400, "no room for calls"},
		{"/v1/embeddings", `{"input": ""}`, 400, "no tokens"},
		{"/v1/embeddings", `{"input": "x", "pooling": "max"}`, 400, "there are mean, last and cls"},
		{"/detokenize", `{"tokens": [-1]}`, 400, "not in the vocabulary"},
		{"/v1/completions", `{"prompt": "x", "echo": true, "logprobs": 1}`, 400, "log-probabilities of the prompt"},
		{"/v1/completions", `{"prompt": "x", "temprature": 1}`, 400, "temprature is not supported"},
		{"/v1/embeddings", `{"input": "x", "dimensions": 65}`, 400, "dimensions is 65; the model's vectors have 64"},
		{"/health", `{}`, 405, "/health takes GET, not POST"},
		{"/v1/nothing", `{}`, 404, "there is no /v1/nothing"},
	} {
		status, body := post(t, url+c.path, c.body)
		assert.Equal(t, c.status, status, "%s %.100s: %s", c.path, c.body, body)
		assert.Contains(t, body, c.want, "%s %.100s", c.path, c.body)
		var shape struct {
			Error struct{ Message, Type string }
		}
		require.NoError(t, json.Unmarshal([]byte(body), &shape), body)
		assert.NotEmpty(t, shape.Error.Message)
		assert.NotEmpty(t, shape.Error.Type)
	}
}

func TestQueueFull(t *testing.T) {
	e := parroting(t)
	s := New(e, Options{Queue: -1})
	web := httptest.NewServer(s)
	defer web.Close()
	require.NoError(t, s.room.take(4))
	r, err := http.Post(web.URL+"/v1/completions", "application/json", strings.NewReader(`{"prompt": "x"}`))
	require.NoError(t, err)
	r.Body.Close()
	assert.Equal(t, 429, r.StatusCode)
	assert.Equal(t, "1", r.Header.Get("Retry-After"))
	s.room.give(4)
	status, _ := post(t, web.URL+"/v1/completions", `{"prompt": "x"}`)
	assert.Equal(t, 200, status)
}

func TestKeysOriginsIDs(t *testing.T) {
	_, url := serve(t, parroting(t), Options{Keys: []string{"one", "two"}, Origins: []string{"https://a.example"}})
	for key, want := range map[string]int{"": 401, "Bearer three": 401, "Bearer two": 200, "Bearer one": 200, "Bearer ": 401} {
		r, _ := http.NewRequest("GET", url+"/v1/models", nil)
		r.Header.Set("Authorization", key)
		r.Header.Set("X-Request-Id", "mine-1")
		r.Header.Set("Origin", "https://a.example")
		got, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		got.Body.Close()
		assert.Equal(t, want, got.StatusCode, key)
		assert.Equal(t, "mine-1", got.Header.Get("X-Request-Id"))
		assert.Equal(t, "https://a.example", got.Header.Get("Access-Control-Allow-Origin"))
	}
	for origin, want := range map[string]int{"https://a.example": 204, "https://b.example": 401} {
		r, _ := http.NewRequest("OPTIONS", url+"/v1/models", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		got, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		got.Body.Close()
		assert.Equal(t, want, got.StatusCode)
	}
	got, err := http.Get(url + "/health")
	require.NoError(t, err)
	got.Body.Close()
	assert.Equal(t, 200, got.StatusCode)
	assert.Regexp(t, "^req-", got.Header.Get("X-Request-Id"))
	_, plain := serve(t, parroting(t), Options{})
	r, _ := http.NewRequest("GET", plain+"/v1/models", nil)
	r.Header.Set("Origin", "https://a.example")
	got, err = http.DefaultClient.Do(r)
	require.NoError(t, err)
	got.Body.Close()
	assert.Empty(t, got.Header.Get("Access-Control-Allow-Origin"), "off by default")
}

// TestDisconnect: a client that goes away gives its blocks back at the next step.
func TestDisconnect(t *testing.T) {
	e, err := umbra.Open(draft, umbra.Options{Context: 1024, Sequences: 2})
	_, url := serve(t, opened(t, e, err), Options{})
	ctx, cancel := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, "POST", url+"/v1/completions", strings.NewReader(`{"prompt": "x", "max_tokens": 1000, "stream": true, "ignore_eos": true}`))
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	_, err = bufio.NewReader(got.Body).ReadString('\n')
	require.NoError(t, err)
	stats, _ := e.Stats()
	assert.Equal(t, 1, stats.Running)
	cancel()
	got.Body.Close()
	require.Eventually(t, func() bool {
		stats, _ := e.Stats()
		return stats.Running == 0 && stats.BlocksFree == stats.Blocks
	}, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, e.Check())
}

// TestDrain: a server that is told to end finishes what runs, and says that it takes no more.
func TestDrain(t *testing.T) {
	e, err := umbra.Open(draft, umbra.Options{Context: 256, Sequences: 2})
	s := New(opened(t, e, err), Options{KeepAlive: time.Millisecond})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, l, time.Minute) }()
	url := "http://" + l.Addr().String()
	r, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(`{"prompt": "x", "max_tokens": 100, "stream": true, "ignore_eos": true}`))
	require.NoError(t, err)
	body := bufio.NewReader(r.Body)
	first, err := body.ReadString('\n')
	require.NoError(t, err)
	stop()
	rest, err := io.ReadAll(body)
	require.NoError(t, err)
	assert.True(t, bytes.HasSuffix(rest, []byte("data: [DONE]\n\n")), "%s%s", first, rest)
	assert.Contains(t, first+string(rest), ": keep-alive\n\n")
	require.NoError(t, <-ended)
	assert.True(t, s.draining.Load())
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/ready", nil))
	assert.Equal(t, 503, w.Code)
}

func TestMetrics(t *testing.T) {
	e := parroting(t)
	client, url := serve(t, e, Options{VLLM: true})
	_, err := client.Chat.Completions.New(context.Background(), openai.ChatCompletionNewParams{Model: "parrot", Messages: hello, Temperature: openai.Float(0)})
	require.NoError(t, err)
	var text string
	require.Eventually(t, func() bool { // an answer may be there before the step after its last token is over
		r, err := http.Get(url + "/metrics")
		require.NoError(t, err)
		defer r.Body.Close()
		data, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		text = string(data)
		return strings.Contains(text, "umbra_num_requests_running 0\n")
	}, 10*time.Second, time.Millisecond)
	for _, want := range []string{"umbra_num_requests_waiting 0", "umbra_kv_cache_usage_perc 0", "umbra_generation_tokens_total 6",
		`umbra_request_success_total{finished_reason="stop"} 1`, "umbra_time_to_first_token_seconds_count 1", "umbra_inter_token_latency_seconds_count 4",
		"umbra_request_queue_time_seconds_count 1", "umbra_num_preemptions_total 0", "umbra_prefix_cache_queries_total",
		`vllm:num_requests_running{model_name="parrot"} 0`, `vllm:num_requests_waiting{model_name="parrot"} 0`, `vllm:kv_cache_usage_perc{model_name="parrot"} 0`,
		`vllm:gpu_cache_usage_perc{model_name="parrot"} 0`, `vllm:cache_config_info{block_size="16",model_name="parrot",num_gpu_blocks="`,
		`vllm:prefix_cache_queries{model_name="parrot"}`, `vllm:prefix_cache_hits{model_name="parrot"}`,
		`vllm:time_to_first_token_seconds_count{model_name="parrot"} 1`, `vllm:inter_token_latency_seconds_count{model_name="parrot"} 4`,
		`vllm:e2e_request_latency_seconds_count{model_name="parrot"} 1`, `vllm:request_queue_time_seconds_count{model_name="parrot"} 1`,
		`vllm:request_prefill_time_seconds_count{model_name="parrot"} 1`, `vllm:request_decode_time_seconds_count{model_name="parrot"} 1`,
		`vllm:prompt_tokens_total{model_name="parrot"}`, `vllm:generation_tokens_total{model_name="parrot"} 6`, `vllm:num_preemptions_total{model_name="parrot"} 0`,
		`vllm:request_success_total{finished_reason="stop",model_name="parrot"} 1`,
	} {
		assert.Contains(t, text, want)
	}
}
