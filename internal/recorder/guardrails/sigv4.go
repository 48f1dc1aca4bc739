package guardrails

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Keys are AWS's: an access key with its secret, and the token of a session where it is one.
type Keys struct{ AccessKey, Secret, Token string }

// allowedSkew is how far a request's date may be from the server's clock.
const allowedSkew = 5 * time.Minute

// verifyAWS checks a signature of version 4 by AWS's published steps, and returns what is wrong with it.
func verifyAWS(r *http.Request, body []byte, find func(accessKey string) (Keys, bool), region, service string) string {
	parts, problem := awsAuthorization(r.Header.Get("Authorization"))
	if problem != "" {
		return problem
	}
	scope := strings.Split(parts["Credential"], "/")
	if len(scope) != 5 || scope[2] != region || scope[3] != service || scope[4] != "aws4_request" {
		return fmt.Sprintf("the credential scope %q is not of %s in %s", strings.Join(scope[1:], "/"), service, region)
	}
	keys, known := find(scope[0])
	if !known {
		return "the security token included in the request is invalid (the access key is not known)"
	}
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", stamp)
	if err != nil || stamp[:8] != scope[1] {
		return "X-Amz-Date is missing, or of another day than the scope"
	}
	if skew := time.Since(at).Abs(); skew > allowedSkew {
		return "the signature has expired"
	}
	if got := r.Header.Get("X-Amz-Security-Token"); got != keys.Token {
		return "the session token is missing or wrong"
	}
	signed := strings.Split(parts["SignedHeaders"], ";")
	if !slices.IsSorted(signed) || !slices.Contains(signed, "host") || !slices.Contains(signed, "x-amz-date") {
		return "host and x-amz-date must be signed, and the headers sorted"
	}
	for name := range r.Header { // every x-amz header must be signed
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(signed, lower) {
			return lower + " is not signed"
		}
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if claimed := r.Header.Get("X-Amz-Content-Sha256"); claimed != "" && claimed != hash {
		return "X-Amz-Content-Sha256 is of another body"
	}
	canonical := strings.Join([]string{r.Method, awsPath(r), awsQuery(r.URL.Query()), awsHeaders(r, signed), strings.Join(signed, ";"), hash}, "\n")
	digest := sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, strings.Join(scope[1:], "/"), hex.EncodeToString(digest[:])}, "\n")
	key := []byte("AWS4" + keys.Secret)
	for _, step := range scope[1:] {
		key = mac(key, step)
	}
	if want := hex.EncodeToString(mac(key, toSign)); !hmac.Equal([]byte(want), []byte(parts["Signature"])) {
		return "the signature does not match"
	}
	return ""
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text)) // a hash never fails
	return h.Sum(nil)
}

func awsAuthorization(header string) (parts map[string]string, problem string) {
	rest, found := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !found {
		return nil, "Authorization is missing or of another kind"
	}
	parts = map[string]string{}
	for piece := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(piece), "=")
		parts[name] = value
	}
	if len(parts) != 3 || parts["Credential"] == "" || parts["SignedHeaders"] == "" || parts["Signature"] == "" {
		return nil, "Authorization is not whole"
	}
	return parts, ""
}

// awsPath is the path as it came on the wire, encoded once more, as every service but S3 wants it.
func awsPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c == '/' || unreserved(c) {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func awsQuery(values url.Values) string {
	var pairs []string
	for name, list := range values {
		for _, value := range list {
			pairs = append(pairs, awsEscape(name)+"="+awsEscape(value))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func awsEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func awsHeaders(r *http.Request, signed []string) string {
	var b strings.Builder
	for _, name := range signed {
		value := ""
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		default:
			var list []string
			for _, v := range r.Header.Values(name) {
				list = append(list, strings.Join(strings.Fields(v), " "))
			}
			value = strings.Join(list, ",")
		}
		b.WriteString(name + ":" + value + "\n")
	}
	return b.String()
}
