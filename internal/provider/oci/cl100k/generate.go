//go:build ignore

// Command generate packs OpenAI's cl100k_base.tiktoken, given as its argument, into cl100k.gz.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"log"
	"os"
	"strings"
)

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var words bytes.Buffer
	rank := 0
	for line := range strings.Lines(string(text)) {
		encoded, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		word, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || number != fmt.Sprint(rank) || len(word) > 255 {
			log.Fatalf("token %d: %q %v", rank, line, err)
		}
		words.WriteByte(byte(len(word)))
		words.Write(word)
		rank++
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		log.Fatal(err)
	}
	if _, err = z.Write(words.Bytes()); err == nil {
		err = z.Close()
	}
	if err == nil {
		err = os.WriteFile("cl100k.gz", packed.Bytes(), 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
