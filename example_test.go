package umbra_test

import (
	"context"
	"fmt"
	"log"

	"umbra"
	"umbra/internal/parrot"
	"umbra/model/chat"
)

func Example() {
	engine, err := umbra.Open("testdata/gopher-28m-q8_0.gguf", umbra.Options{Context: 256})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	result, err := engine.Generate(context.Background(), umbra.Request{Prompt: "package main\n\nimport \"fmt\"\n\nfunc main() {\n", MaxTokens: 32},
		func(c umbra.Chunk) error { _, err := fmt.Print(c.Text); return err })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Reason)
	// Output:
	// 	fmt.Println("Hello, world!")
	// }
	// stop token
}

func ExampleEngine_Stream() {
	engine, err := umbra.Open("testdata/gopher-28m-q8_0.gguf", umbra.Options{Context: 256})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	for chunk, err := range engine.Stream(context.Background(), umbra.Request{Prompt: "package main\n\nimport \"fmt\"\n\nfunc main() {\n", Stop: []string{"\n"}}, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(chunk.Text)
	}
	// Output:
	// 	fmt.Println("Hello, world!")
}

// A model with a chat template; this one always answers the same.
func ExampleEngine_Chat() {
	engine, err := umbra.OpenBytes("parrot", parrot.GGUF(), umbra.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	reply, err := engine.Chat(context.Background(), umbra.ChatRequest{Messages: []chat.Message{{Role: "user", Content: "Good morning"}}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.Message.Content)
	// Output: Hello, dear friend indeed.
}

func ExampleEngine_Embed() {
	engine, err := umbra.Open("testdata/gopher-draft-4m-q8_0.gguf", umbra.Options{Context: 64})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	embedding, err := engine.Embed(context.Background(), umbra.EmbedRequest{Text: "func main() {", Pooling: umbra.PoolMean})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(embedding.Vector), embedding.Tokens)
	// Output: 256 5
}

func ExampleEngine_Batch() {
	engine, err := umbra.OpenBytes("parrot", parrot.GGUF(), umbra.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	for _, c := range engine.Batch(context.Background(), []umbra.Request{{Prompt: "<|talk|>"}, {Prompt: "Hello", MaxTokens: 2}}) {
		fmt.Printf("%q %v %v\n", c.Texts[0], c.Result.Reason, c.Err)
	}
	// Output:
	// "Hello, dear friend indeed." stop token <nil>
	// ", dear" length <nil>
}
