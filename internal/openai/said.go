package openai

import (
	"unicode/utf8"

	"tollgate/internal/jsonscan"
)

// Said estimates the tokens of all that the choices of an answer or a chunk say: content, thinking, refusals, arguments of
// tools. It errs on the high side: three letters of ASCII count as a token, and so does any other character.
func Said(choices []byte) int64 {
	return eachElement(choices, func(choice []byte) int64 {
		var room [8]jsonscan.Member
		members, err := jsonscan.InnerObject(choice, room[:0])
		if err != nil {
			return 0
		}
		var n int64
		for _, m := range members {
			switch string(m.Name) {
			case "message", "delta", "text":
				n += eachText(m.Value, 0, tokensOf)
			}
		}
		return n
	})
}

// unsaid are members whose texts are not written by the model token by token.
func unsaid(name string) bool {
	switch name {
	case "role", "id", "type", "object", "finish_reason", "format":
		return true
	}
	return false
}

// saidDeep bounds how deep texts are looked for.
const saidDeep = 8

// eachText sums over every text in a value but for unsaid members.
func eachText(value []byte, depth int, count func(inner []byte) int64) int64 {
	if len(value) < 2 || depth > saidDeep {
		return 0
	}
	switch value[0] {
	case '"':
		return count(value[1 : len(value)-1])
	case '[':
		return eachElement(value, func(e []byte) int64 { return eachText(e, depth+1, count) })
	case '{':
		var room [8]jsonscan.Member
		members, err := jsonscan.InnerObject(value, room[:0])
		if err != nil {
			return 0
		}
		var n int64
		for _, m := range members {
			if !unsaid(string(m.Name)) {
				n += eachText(m.Value, depth+1, count)
			}
		}
		return n
	}
	return 0
}

// tokensOf estimates the tokens of the inside of a JSON string. An escape counts as the characters that it is written with.
func tokensOf(inner []byte) int64 {
	var ascii, other int64
	for i := 0; i < len(inner); {
		if inner[i] < utf8.RuneSelf {
			ascii++
			i++
			continue
		}
		_, size := utf8.DecodeRune(inner[i:])
		other++
		i += size
	}
	return (ascii+2)/3 + other
}
