package s3archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// stripFiles leaves files out of a text in JSON (s3_strip_base64_files): data URIs, and the data of sound and of files.
// What tells kind and length stays.
func stripFiles(raw json.RawMessage) json.RawMessage {
	if !bytes.Contains(raw, []byte("base64")) && !bytes.Contains(raw, []byte(`"data"`)) && !bytes.Contains(raw, []byte(`"file_data"`)) {
		return raw
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree any
	if d.Decode(&tree) != nil {
		return raw
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(strip(tree, "")) != nil {
		return raw
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// strip walks a tree; name is the member that holds v.
func strip(v any, name string) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			v[k] = strip(inner, k)
		}
	case []any:
		for i, inner := range v {
			v[i] = strip(inner, "")
		}
	case string:
		return stripText(v, name)
	}
	return v
}

func stripText(s, name string) string {
	const shortest = 64 // bytes that a file has at least
	if head, data, ok := strings.Cut(s, ";base64,"); ok && strings.HasPrefix(head, "data:") {
		return fmt.Sprintf("%s;base64,[%d bytes left out]", head, len(data))
	}
	if (name == "data" || name == "file_data") && len(s) > shortest && !strings.ContainsAny(s[:shortest], " \n") {
		return fmt.Sprintf("[%d bytes left out]", len(s))
	}
	return s
}
