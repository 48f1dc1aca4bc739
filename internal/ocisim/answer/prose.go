package answer

import (
	"bytes"
	"fmt"
	"image"
	_ "image/gif"  // decoders for the pictures that callers attach
	_ "image/jpeg" // as above
	_ "image/png"  // as above
	"regexp"
	"strconv"
	"strings"
)

// verbs ask for words to be given back.
var verbs = []string{"repeat", "say", "echo", "reply", "respond", "answer", "output", "print"}

var echoVerbs = `(?i)(?:^|[.!?\n,;]\s*|\bplease\s+|\b(?:and|just|only|then|to)\s+)(?:` + strings.Join(verbs, "|") + `)\b`

var (
	echoQuotedPattern = regexp.MustCompile(echoVerbs)
	echoPattern       = regexp.MustCompile(echoVerbs +
		`(?:\s+(?:after me|back|with|only|exactly|just|the|this|following|words?|phrase|text|string|message|sentence|single|one))*\s*:?\s+(\S[^\n]*)`)
	lengthPattern = regexp.MustCompile(`(?i)\b(\d{2,5})[- ]words?\b`)
	longPattern   = regexp.MustCompile(`(?i)\b(?:essay|story|long|detailed|article|paragraphs|poem)\b`)
	// mannerPattern tells "answer in one word" and "reply briefly" from words to echo.
	mannerPattern = regexp.MustCompile(`(?i)^(?:in|as|to|by|using|briefly|shortly|concisely|if|when|my|question|only in|integer|number|word)\b`)
)

// echoQuoted answers `Say "hello there"` with the quoted words.
func echoQuoted(question string) (string, bool) {
	at := echoQuotedPattern.FindStringIndex(question)
	if at == nil {
		return "", false
	}
	return quoted(question[at[1]:])
}

// echo answers "Repeat after me: hello" and "Reply with the word pong" with the words asked for.
func echo(question string) (string, bool) {
	m := echoPattern.FindStringSubmatch(question)
	if m == nil {
		if strings.EqualFold(strings.Trim(question, " .!?"), "ping") {
			return "pong", true
		}
		return "", false
	}
	words := strings.TrimSpace(m[1])
	if mannerPattern.MatchString(words) {
		return "", false
	}
	for _, suffix := range []string{" and nothing else", ", nothing else", " only", " exactly"} {
		if cut := strings.TrimRight(words, "."); strings.HasSuffix(strings.ToLower(cut), suffix) {
			words = cut[:len(cut)-len(suffix)]
		}
	}
	return words, true
}

// sentences are the patterns of the fallback paragraph; %s takes the subject.
var sentences = []string{
	"About %s there is a short answer and a longer one.",
	"The short answer is that %s depends on what you want to do with it.",
	"It helps to look at %s from the side of the people who use it.",
	"A good first step is to write down what you already know of %s.",
	"After that, compare %s with something that you understand well.",
	"Most mistakes with %s come from going too fast at the start.",
	"In practice %s works best when it is kept simple.",
	"So take %s one step at a time, and check each step.",
}

// paragraph talks about the user's own words: two sentences, or as many words as were asked for.
func paragraph(question string, seed int64) string {
	subject := subjectOf(question)
	target := wantedWords(question)
	first := int(uint64(seed) % uint64(len(sentences)))
	var b strings.Builder
	for i, words := 0, 0; i < 2 || words < target; i++ {
		s := fmt.Sprintf(sentences[(first+i)%len(sentences)], subject)
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s)
		words += len(strings.Fields(s))
	}
	return b.String()
}

// wantedWords reads how long a text the user wants, 0 when nothing is said.
func wantedWords(question string) int {
	if strings.Contains(question, "word") {
		if m := lengthPattern.FindStringSubmatch(question); m != nil {
			n, _ := strconv.Atoi(m[1]) // the pattern lets only digits through
			return min(n, 4000)
		}
	}
	if longPattern.MatchString(question) {
		return 220
	}
	return 0
}

// subjectOf takes up to four meaningful words of the question, in their order.
func subjectOf(question string) string {
	var kept []string
	for _, w := range wordPattern.FindAllString(question, 40) {
		if !stopWords[strings.ToLower(w)] && len(kept) < 4 {
			kept = append(kept, w)
		}
	}
	if len(kept) == 0 {
		return "this"
	}
	return strings.Join(kept, " ")
}

// describeImages says format, size and main colour of each picture: enough to see that its bytes arrived whole.
func describeImages(pictures [][]byte) string {
	parts := make([]string, len(pictures))
	for i, p := range pictures {
		parts[i] = DescribeImage(p)
	}
	return "The picture shows " + strings.Join(parts, " and ") + "."
}

// maxPixels bounds the decoding of a picture, so that a small file cannot claim a huge canvas.
const maxPixels = 4 << 20

// DescribeImage names the main colour, the size in pixels and the format of an encoded PNG, JPEG or GIF picture, or
// says that it cannot be read.
func DescribeImage(encoded []byte) string {
	config, format, err := image.DecodeConfig(bytes.NewReader(encoded))
	if err != nil || config.Width*config.Height > maxPixels {
		return fmt.Sprintf("something in a file of %d bytes that I cannot decode", len(encoded))
	}
	picture, _, err := image.Decode(bytes.NewReader(encoded))
	if err != nil {
		return fmt.Sprintf("a damaged %s file of %d bytes", format, len(encoded))
	}
	return fmt.Sprintf("a %s area of %d by %d pixels (%s)", mainColour(picture), config.Width, config.Height, format)
}

// mainColour averages the picture and names the nearest of a few colours.
func mainColour(picture image.Image) string {
	var r, g, b, n uint64
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			cr, cg, cb, _ := picture.At(x, y).RGBA()
			r, g, b, n = r+uint64(cr>>8), g+uint64(cg>>8), b+uint64(cb>>8), n+1
		}
	}
	if n == 0 {
		return "blank"
	}
	name, nearest := "", -1
	for _, c := range colours {
		dr, dg, db := int(r/n)-c.r, int(g/n)-c.g, int(b/n)-c.b
		if d := dr*dr + dg*dg + db*db; nearest < 0 || d < nearest {
			name, nearest = c.name, d
		}
	}
	return name
}

var colours = []struct {
	name    string
	r, g, b int
}{
	{"black", 0, 0, 0}, {"white", 255, 255, 255}, {"grey", 128, 128, 128}, {"red", 255, 0, 0}, {"green", 0, 160, 0},
	{"blue", 0, 0, 255}, {"yellow", 255, 255, 0}, {"orange", 255, 140, 0}, {"purple", 128, 0, 128}, {"brown", 130, 80, 40},
}
