package ocisim

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"tollgate/internal/ocisim/answer"
	"tollgate/internal/ocisim/hashembed"
)

// maxInputs is how many texts one embedText call takes.
const maxInputs = 96

type embedRequest struct {
	CompartmentID    string       `json:"compartmentId"`
	ServingMode      servingMode  `json:"servingMode"`
	Inputs           []string     `json:"inputs"`
	EmbedContents    []embedInput `json:"embedContents"`
	IsEcho           bool         `json:"isEcho"`
	EmbeddingTypes   []string     `json:"embeddingTypes"`
	OutputDimensions int          `json:"outputDimensions"`
	Truncate         string       `json:"truncate"`
	InputType        string       `json:"inputType"`
}

type embedInput struct {
	Type     string     `json:"type"`
	Text     string     `json:"text,omitempty"`
	ImageURL *imageLink `json:"imageUrl,omitempty"`
}

type embedResult struct {
	ID               string         `json:"id"`
	Embeddings       [][]javaFloat  `json:"embeddings"`
	EmbeddingsByType map[string]any `json:"embeddingsByType,omitempty"`
	Inputs           []string       `json:"inputs,omitempty"`
	EmbedContents    []embedInput   `json:"embedContents,omitempty"`
	ModelID          string         `json:"modelId"`
	ModelVersion     string         `json:"modelVersion"`
	Usage            *wireUsage     `json:"usage,omitempty"`
}

// embedText is POST /actions/embedText.
func (x *exchange) embedText() error {
	var q embedRequest
	if err := x.decode(embedDetails, &q); err != nil {
		return err
	}
	if err := x.s.authorize(q.CompartmentID); err != nil {
		return err
	}
	t, err := x.s.resolve(q.ServingMode, capabilityEmbed)
	if err != nil {
		return err
	}
	if err := q.check(t.Model); err != nil {
		return err
	}
	texts, err := q.texts(t.Model)
	if err != nil {
		return err
	}
	out := embedResult{ID: x.requestID, ModelID: t.asked, ModelVersion: t.Version}
	dims := t.Dimensions
	if q.OutputDimensions > 0 {
		dims = q.OutputDimensions
	}
	vectors := make([][]float32, len(texts))
	tokens := 0
	for i, text := range texts {
		vectors[i] = hashembed.Vector(t.ID, text, dims)
		tokens += answer.Count(text)
	}
	out.Embeddings = javaFloats(vectors)
	if len(q.EmbeddingTypes) > 0 {
		out.EmbeddingsByType = byType(vectors, q.EmbeddingTypes)
	}
	if q.IsEcho {
		out.Inputs, out.EmbedContents = q.Inputs, q.EmbedContents
	}
	x.bill(usage{prompt: tokens})
	if isEmbedV4(t.Model) {
		out.Usage = usage{prompt: tokens}.wire(t.Model)
	}
	return x.reply(out)
}

func isEmbedV4(m *Model) bool { return strings.HasPrefix(m.ID, "cohere.embed-v4") }

// check applies the rules that depend on the model.
func (q *embedRequest) check(m *Model) error {
	v4 := isEmbedV4(m)
	n := len(q.Inputs) + len(q.EmbedContents)
	switch {
	case len(q.Inputs) > 0 && len(q.EmbedContents) > 0:
		return badParameter("inputs and embedContents must not be given together")
	case n == 0:
		return badParameter("inputs must not be empty")
	case n > maxInputs:
		return badParameter("inputs must have at most %d elements", maxInputs)
	case len(q.EmbedContents) > 0 && !v4:
		return plainRejection("embedContents is not supported by this model")
	case q.OutputDimensions != 0 && !v4:
		return plainRejection("outputDimensions is not supported by this model")
	case q.OutputDimensions != 0 && q.OutputDimensions != 256 && q.OutputDimensions != 512 && q.OutputDimensions != 1024 && q.OutputDimensions != 1536:
		return badParameter("outputDimensions must be one of 256, 512, 1024, 1536")
	case q.InputType == "IMAGE" && !v4 && !strings.Contains(m.ID, "-image-"):
		return plainRejection("inputType IMAGE is not supported by this model")
	case q.InputType == "IMAGE" && n != 1:
		return badParameter("inputType IMAGE takes exactly one input")
	}
	return nil
}

// texts returns what is embedded for each input: its words, cut to the model's limit, or a description of its picture,
// so that a red picture is near the word red.
func (q *embedRequest) texts(m *Model) ([]string, error) {
	var out []string
	for _, c := range q.EmbedContents {
		text := c.Text
		if c.Type == "IMAGE" {
			text = answer.DescribeImage(dataURI(c.ImageURL.URL))
		}
		out = append(out, text)
	}
	for _, text := range q.Inputs {
		if q.InputType == "IMAGE" {
			picture := dataURI(text)
			if picture == nil {
				return nil, badParameter("inputs must hold a base64 data URI when inputType is IMAGE")
			}
			text = answer.DescribeImage(picture)
		}
		out = append(out, text)
	}
	return out, q.truncate(m, out)
}

// truncate cuts each text to the model's limit, at the end that the caller names, or refuses what is too long. The v4
// model limits the call as a whole, the others each input.
func (q *embedRequest) truncate(m *Model, texts []string) error {
	room := m.Context
	for i, text := range texts {
		pieces := answer.Pieces(text)
		if len(pieces) > room {
			switch q.Truncate {
			case "START":
				texts[i] = strings.Join(pieces[len(pieces)-room:], "")
			case "END":
				texts[i] = strings.Join(pieces[:room], "")
			default:
				return cohereRejection("too many tokens: the input has " + strconv.Itoa(len(pieces)) + " tokens, at most " + strconv.Itoa(room) + " are allowed")
			}
			pieces = pieces[:room]
		}
		if isEmbedV4(m) {
			room -= len(pieces)
		}
	}
	return nil
}

// byType renders the vectors in each numeric form that was asked for.
func byType(vectors [][]float32, types []string) map[string]any {
	out := make(map[string]any)
	for _, name := range types {
		switch name {
		case "float":
			out[name] = javaFloats(vectors)
		case "int8", "uint8":
			out[name] = scaled(vectors, name == "uint8")
		case "binary", "ubinary":
			out[name] = bitwise(vectors, name == "ubinary")
		case "base64":
			texts := make([]string, len(vectors))
			for i, v := range vectors {
				var raw []byte
				for _, f := range v {
					raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
				}
				texts[i] = base64.StdEncoding.EncodeToString(raw)
			}
			out[name] = texts
		}
	}
	return out
}

// scaled maps -1..1 to -127..127, or to 0..254 without sign.
func scaled(vectors [][]float32, unsigned bool) [][]int {
	out := make([][]int, len(vectors))
	for i, v := range vectors {
		out[i] = make([]int, len(v))
		for k, f := range v {
			out[i][k] = int(math.Round(float64(f) * 127))
			if unsigned {
				out[i][k] += 127
			}
		}
	}
	return out
}

// bitwise packs the signs of eight dimensions into one number.
func bitwise(vectors [][]float32, unsigned bool) [][]int {
	out := make([][]int, len(vectors))
	for i, v := range vectors {
		for k := 0; k+8 <= len(v); k += 8 {
			n := 0
			for _, f := range v[k : k+8] {
				n <<= 1
				if f > 0 {
					n |= 1
				}
			}
			if !unsigned {
				n -= 128
			}
			out[i] = append(out[i], n)
		}
	}
	return out
}

// javaFloat prints a number as Java's Float.toString does, which the service's JSON shows: -8.4949343E-4.
type javaFloat float32

// MarshalJSON writes plain decimals from 0.001 up to ten million and E notation outside.
func (f javaFloat) MarshalJSON() ([]byte, error) {
	size := math.Abs(float64(f))
	if size == 0 || (size >= 1e-3 && size < 1e7) {
		text := strconv.FormatFloat(float64(f), 'f', -1, 32)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return []byte(text), nil
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(float64(f), 'E', -1, 32), "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	sign := ""
	if strings.HasPrefix(exponent, "-") {
		sign = "-"
	}
	return []byte(mantissa + "E" + sign + strings.TrimLeft(exponent, "+-0")), nil
}

func javaFloats(vectors [][]float32) [][]javaFloat {
	out := make([][]javaFloat, len(vectors))
	for i, v := range vectors {
		out[i] = make([]javaFloat, len(v))
		for k, f := range v {
			out[i][k] = javaFloat(f)
		}
	}
	return out
}
