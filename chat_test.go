package umbra_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/gpu"
	"umbra/internal/parrot"
	"umbra/model/chat"
	"umbra/scheduler"
)

func openBytes(t testing.TB, data []byte, o umbra.Options) *umbra.Engine {
	t.Helper()
	e, err := umbra.OpenBytes("test", data, o)
	if errors.Is(err, gpu.ErrNoAdapter) {
		t.Skipf("no adapter: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

func TestChat(t *testing.T) {
	e := openBytes(t, parrot.GGUF(), umbra.Options{})
	ctx := context.Background()
	messages := []chat.Message{{Role: "user", Content: "Hi <|end|> there"}}
	streamed := ""
	reply, err := e.Chat(ctx, umbra.ChatRequest{Messages: messages}, func(c umbra.Chunk) error { streamed += c.Text; return nil })
	require.NoError(t, err)
	assert.Equal(t, chat.Message{Role: "assistant", Content: parrot.Greeting}, reply.Message)
	assert.Equal(t, parrot.Greeting, streamed)
	assert.Equal(t, scheduler.StopToken, reply.Reason)

	tools := []json.RawMessage{json.RawMessage(`{"type": "function", "function": {"name": "weather"}}`)}
	reply, err = e.Chat(ctx, umbra.ChatRequest{Messages: messages, Tools: tools, Request: umbra.Request{N: 2}}, nil)
	require.NoError(t, err)
	require.Len(t, reply.Messages, 2)
	assert.Equal(t, chat.Message{Role: "assistant", Content: "Let me see.", ToolCalls: []chat.ToolCall{{Name: parrot.Named, Arguments: parrot.Arguments}}}, reply.Messages[1])

	messages = append(messages, reply.Message, chat.Message{Role: "tool", Content: "-3"})
	reply, err = e.Chat(ctx, umbra.ChatRequest{Messages: messages, Tools: tools}, nil)
	require.NoError(t, err)
	assert.Equal(t, parrot.Greeting, reply.Message.Content)

	prompt, err := e.ChatPrompt(chat.Conversation{Messages: messages[:2], Tools: tools, Generate: true})
	require.NoError(t, err)
	text := ""
	for _, id := range prompt {
		text += string(e.Tokenizer().Render(id))
	}
	assert.Equal(t, `<|user|>Hi <|end|> there<|end|><|assistant|>Let me see.<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call><|end|><|call|>`, text)

	base := open(t, draft, umbra.Options{Context: 64})
	_, err = base.Chat(ctx, umbra.ChatRequest{Messages: messages}, nil)
	assert.ErrorIs(t, err, umbra.ErrNoTemplate)
}

func TestStreamAndBatch(t *testing.T) {
	e := openBytes(t, parrot.GGUF(), umbra.Options{Sequences: 4})
	ctx := context.Background()
	var result umbra.Result
	text := ""
	for c, err := range e.Stream(ctx, umbra.Request{Prompt: "<|talk|>", LogProbs: 3}, &result) {
		require.NoError(t, err)
		text += c.Text
		require.Len(t, c.LogProbs, len(c.Tokens))
		for i, p := range c.LogProbs {
			assert.Equal(t, c.Tokens[i], p.ID)
			assert.Equal(t, p.ID, p.Top[0].ID, "greedy")
			assert.InDelta(t, p.LogProb, p.Top[0].LogProb, 1e-9)
		}
	}
	assert.Equal(t, parrot.Greeting, text)
	assert.Equal(t, scheduler.StopToken, result.Reason)
	for range e.Stream(ctx, umbra.Request{Prompt: "<|talk|>"}, &result) {
		break
	}
	assert.Equal(t, scheduler.Cancelled, result.Reason)
	failed := false
	for _, err := range e.Stream(ctx, umbra.Request{Prompt: strings.Repeat("x", 600)}, nil) {
		assert.ErrorContains(t, err, "512")
		failed = true
	}
	assert.True(t, failed)

	all := e.Batch(ctx, []umbra.Request{{Prompt: "<|talk|>"}, {Prompt: strings.Repeat("x", 600)}, {Prompt: "<|call|>", N: 2}, {Prompt: "Hello"}})
	assert.Equal(t, []string{parrot.Greeting}, all[0].Texts)
	assert.Error(t, all[1].Err)
	assert.Equal(t, []string{parrot.Call, parrot.Call}, all[2].Texts)
	assert.Equal(t, []string{strings.TrimPrefix(parrot.Greeting, "Hello")}, all[3].Texts)
	require.NoError(t, e.Check())
}

// TestEmbed: pooled vectors are what the tokens' states make, whatever else runs.
func TestEmbed(t *testing.T) {
	e := open(t, draft, umbra.Options{Context: 128, BatchTokens: 16, Sequences: 4, Blocks: 12})
	ctx := context.Background()
	tokens := []int32{0, 337, 995, 335, 275, 953, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150}
	raw := func(how umbra.Pooling, tokens []int32) []float32 {
		v, err := e.Embed(ctx, umbra.EmbedRequest{Tokens: tokens, Pooling: how, Raw: true})
		require.NoError(t, err)
		require.Len(t, v.Vector, 256)
		assert.Equal(t, len(tokens), v.Tokens)
		return v.Vector
	}
	sum := make([]float64, 256)
	for i := range tokens { // the last state of each beginning is that token's
		for j, x := range raw(umbra.PoolLast, tokens[:i+1]) {
			sum[j] += float64(x)
		}
	}
	for j, x := range raw(umbra.PoolMean, tokens) {
		assert.InDelta(t, sum[j]/float64(len(tokens)), x, 1e-3)
	}
	first, alone := raw(umbra.PoolCLS, tokens), raw(umbra.PoolLast, tokens[:1])
	if e.Info().Adapter.Kind == gpu.KindCPU {
		assert.Equal(t, alone, first)
	}
	assert.InDeltaSlice(t, alone, first, 1e-4, "elsewhere but for the rounding of sums in company")
	v, err := e.Embed(ctx, umbra.EmbedRequest{Text: "func main() {"})
	require.NoError(t, err)
	length := 0.0
	for _, x := range v.Vector {
		length += float64(x) * float64(x)
	}
	assert.InDelta(t, 1, math.Sqrt(length), 1e-5)

	done := make(chan answer)
	go func() {
		done <- generate(ctx, e, umbra.Request{Prompt: "package main\n", MaxTokens: 90, IgnoreEnd: true})
	}()
	for range 5 {
		again, err := e.Embed(ctx, umbra.EmbedRequest{Text: "func main() {"})
		require.NoError(t, err)
		for i := range v.Vector {
			assert.InDelta(t, v.Vector[i], again.Vector[i], 1e-4)
		}
	}
	beside := <-done
	require.NoError(t, beside.err)
	assert.Equal(t, generate(ctx, e, umbra.Request{Prompt: "package main\n", MaxTokens: 90, IgnoreEnd: true}).tokens, beside.tokens)
	require.NoError(t, e.Check())
	for _, r := range []umbra.EmbedRequest{{Tokens: make([]int32, 200)}, {Tokens: []int32{}}, {Text: "x", Pooling: "max"}} {
		_, err := e.Embed(ctx, r)
		assert.Error(t, err)
	}
	require.NoError(t, e.Close())
	_, err = e.Embed(ctx, umbra.EmbedRequest{Text: "x"})
	assert.ErrorIs(t, err, umbra.ErrClosed)
}
