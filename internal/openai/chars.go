package openai

import (
	"unicode/utf8"

	"tollgate/internal/jsonscan"
)

// Chars counts the characters of the texts of a request, for upstreams that bill by them: the contents of messages and the
// calls of tools in them, the definitions of tools, the prompt, the inputs, or query and documents. What is no text, such as
// an image, counts nothing.
func (r *Request) Chars() int64 {
	var n int64
	for _, m := range r.Members {
		switch string(m.Name) {
		case "messages":
			n += eachElement(m.Value, func(message []byte) int64 { return memberChars(message, "content") + calledChars(message) })
		case "tools", "functions":
			n += eachText(m.Value, 0, stringChars)
		case "prompt", "input", "query", "documents":
			n += textChars(m.Value)
		}
	}
	return n
}

// ChoiceChars counts the characters that the choices of an answer or a chunk say.
func ChoiceChars(choices []byte) int64 {
	return eachElement(choices, func(choice []byte) int64 {
		var room [8]jsonscan.Member
		members, err := jsonscan.InnerObject(choice, room[:0])
		if err != nil {
			return 0
		}
		var n int64
		for _, m := range members {
			switch string(m.Name) {
			case "message", "delta":
				n += memberChars(m.Value, "content") + calledChars(m.Value)
			case "text":
				n += textChars(m.Value)
			}
		}
		return n
	})
}

// eachElement sums over the elements of a list; 0 for anything else.
func eachElement(list []byte, count func([]byte) int64) int64 {
	if len(list) == 0 || list[0] != '[' {
		return 0
	}
	var room [32][]byte
	elements, err := jsonscan.InnerArray(list, room[:0])
	if err != nil {
		return 0
	}
	var n int64
	for _, e := range elements {
		n += count(e)
	}
	return n
}

// memberChars counts the text of one member of an object.
func memberChars(object []byte, name string) int64 { return textChars(member(object, name)) }

// calledChars counts the names and arguments of the tools that a message calls.
func calledChars(message []byte) int64 {
	return eachText(member(message, "tool_calls"), 0, stringChars)
}

// member is one member of an object; nil when there is none.
func member(object []byte, name string) []byte {
	var room [16]jsonscan.Member
	if len(object) == 0 || object[0] != '{' {
		return nil
	}
	members, err := jsonscan.InnerObject(object, room[:0])
	if err != nil {
		return nil
	}
	value, _ := jsonscan.Find(members, name)
	return value
}

// textChars counts a string, the text of a part, or a list of both.
func textChars(value []byte) int64 {
	if len(value) == 0 {
		return 0
	}
	switch value[0] {
	case '"':
		return stringChars(value[1 : len(value)-1])
	case '{':
		return memberChars(value, "text")
	case '[':
		return eachElement(value, textChars)
	}
	return 0
}

// stringChars counts the characters that the inside of a JSON string stands for.
func stringChars(inner []byte) int64 {
	n := int64(utf8.RuneCount(inner))
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			continue
		}
		i++
		n-- // the backslash
		if i < len(inner) && inner[i] == 'u' && i+4 < len(inner) {
			n -= 4
			if low := inner[i+1] == 'd' || inner[i+1] == 'D'; low && (inner[i+2]|0x20 >= 'c') {
				n-- // the second half of a pair
			}
			i += 4
		}
	}
	return n
}
