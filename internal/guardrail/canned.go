package guardrail

import (
	"strconv"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// filtered is the finish reason of an answer that a guardrail has put in the place of the model's.
const filtered = "content_filter"

// Reply is an answer in one piece that says text in the place of base: its id, model, time and usage stay. base is an object in
// the shape of the operation's answers, and may be one without choices.
func Reply(op openai.Operation, base []byte, text string) []byte {
	members, err := jsonscan.Object(base, nil)
	if err != nil {
		base, members = []byte("{}"), nil
	}
	said := `"message":{"role":"assistant","content":` + string(jsonscan.Text(text)) + "}"
	if op == openai.OpCompletion {
		said = `"text":` + string(jsonscan.Text(text))
	}
	choice := `[{"index":0,` + said + `,"logprobs":null,"finish_reason":` + strconv.Quote(filtered) + "}]"
	return jsonscan.Splice(base, members, []jsonscan.Field{{Name: "choices", Value: []byte(choice)}}, nil).Bytes()
}

// Chunks is the same as a stream's chunks; base is a chunk without choices.
func Chunks(op openai.Operation, base []byte, text string) [][]byte {
	members, err := jsonscan.Object(base, nil)
	if err != nil {
		base, members = []byte("{}"), nil
	}
	said, ending := `"delta":{"role":"assistant","content":`+string(jsonscan.Text(text))+"}", `"delta":{}`
	if op == openai.OpCompletion {
		said, ending = `"text":`+string(jsonscan.Text(text)), `"text":""`
	}
	chunk := func(choice string) []byte {
		return jsonscan.Splice(base, members, []jsonscan.Field{{Name: "choices", Value: []byte(`[{"index":0,` + choice + "}]")}}, nil).Bytes()
	}
	return [][]byte{chunk(said + `,"finish_reason":null`), chunk(ending + `,"finish_reason":` + strconv.Quote(filtered))}
}
