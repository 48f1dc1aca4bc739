package oci

import (
	"slices"

	"tollgate/internal/openai"
)

// offered are the functions that a call offers to the model, and the names of the tools that are left out because they
// are none. OCI has no other kinds, and one of them must not fail the request (BerriAI/litellm#31449,
// oracle/langchain-oracle#45). Functions that tool_choice excludes are not offered either: the caller asked for that.
// A choice of a function that is not there is an *openai.ParseError.
func (f *family) offered(chat *openai.Chat) (tools []openai.Tool, skipped []string, err error) {
	choice := chat.ToolChoice
	tools = make([]openai.Tool, 0, len(chat.Tools))
	named := len(chat.Tools) == 0 || choice.Mode != openai.ChoiceFunction
	for _, t := range chat.Tools {
		if t.Type != "function" {
			skipped = append(skipped, "tools."+clipWord(t.Type))
			continue
		}
		if choice.Allowed != nil && !slices.Contains(choice.Allowed, t.Name) {
			continue
		}
		if choice.Mode == openai.ChoiceFunction {
			chosen := t.Name == choice.Name
			named = named || chosen
			if !chosen && f.format != Generic { // Cohere's formats cannot name one: it is chosen by offering no other
				continue
			}
		}
		tools = append(tools, t)
	}
	if !named {
		return nil, nil, &openai.ParseError{Param: "tool_choice", Message: "Invalid value for 'tool_choice': no function named '" + clipWord(choice.Name) + "' was specified in the 'tools' parameter."}
	}
	return tools, skipped, nil
}
