package hidesecrets_test

import (
	"strings"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/hidesecrets"
	"tollgate/internal/guardrail/remote/remotetest"
)

// chars are n characters that look random; put together here, so that no test file holds a key.
func chars(alphabet string, n int) string {
	var b strings.Builder
	state := uint32(n)
	for range n {
		state = state*1664525 + 1013904223
		b.WriteByte(alphabet[int(state>>16)%len(alphabet)])
	}
	return b.String()
}

const (
	digits  = "0123456789"
	hex     = digits + "abcdef"
	upper32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	alnum   = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" + digits
)

// planted are secrets of every kind by what is told of them.
func planted() map[string]string {
	pem := "-----BEGIN RSA PRIV" + "ATE KEY-----\n" + chars(alnum, 64) + "\n" + chars(alnum, 40) + "\n-----END RSA PRIV" + "ATE KEY-----"
	jwt := "ey" + "J" + chars(alnum, 30) + ".ey" + "J" + chars(alnum, 40) + "." + chars(alnum, 43)
	return map[string]string{
		"private_key": pem, "aws_access_key": "AK" + "IA" + chars(upper32, 16), "github_token": "gh" + "p_" + chars(alnum, 36), "gitlab_token": "gl" + "pat-" + chars(alnum, 20),
		"slack_token": "xo" + "xb-" + chars(digits, 12) + "-" + chars(alnum, 24), "google_api_key": "AI" + "za" + chars(alnum, 35), "openai_key": "s" + "k-proj-" + chars(alnum, 48),
		"anthropic_key": "s" + "k-ant-api03-" + chars(alnum, 93), "huggingface_token": "h" + "f_" + chars(alnum, 34), "stripe_key": "sk" + "_live_" + chars(alnum, 24),
		"twilio_key": "S" + "K" + chars(hex, 32), "sendgrid_key": "S" + "G." + chars(alnum, 22) + "." + chars(alnum, 43), "jwt": jwt, "npm_token": "np" + "m_" + chars(alnum, 36),
		"databricks_token": "da" + "pi" + chars(hex, 32), "oci_session_token": "ST" + "$" + jwt, "digitalocean_token": "do" + "p_v1_" + chars(hex, 64), "mailgun_key": "ke" + "y-" + chars(hex, 32),
		"groq_key": "gs" + "k_" + chars(alnum, 52), "vault_token": "hv" + "s." + chars(alnum, 24), "docker_token": "dckr" + "_pat_" + chars(alnum, 27), "terraform_token": chars(alnum, 14) + ".atlas" + "v1." + chars(alnum, 64),
	}
}

func TestCheck_masks(t *testing.T) {
	g := remotetest.Open(t, hidesecrets.Open, `{}`, nil)
	for kind, secret := range planted() {
		v := remotetest.Pre(t, g, remotetest.User(t, "Use "+secret+" for it"))
		if v.Action != guardrail.Mask || v.Texts[0] != "Use [REDACTED] for it" || v.Findings[0].Kind != kind {
			t.Errorf("%s: %+v", kind, v)
		}
		remotetest.Secretless(t, v.Findings, secret)
	}
	word := "Tr0ub4d" + "or&3x"
	for text, want := range map[string]string{
		"password: " + word:                               "password: [REDACTED]",
		`{"api_key": "` + chars(alnum, 24) + `"}`:         `{"api_key": "[REDACTED]"}`,
		"postgres://app:" + word + "@db.example/app":      "postgres://app:[REDACTED]@db.example/app",
		"jdbc:oracle:thin:scott/" + word + "@//db:1521/x": "jdbc:oracle:thin:[REDACTED]@//db:1521/x",
		"Authorization: Bearer " + chars(alnum, 32):       "Authorization: Bearer [REDACTED]",
		"aws_secret_access_key = " + chars(alnum, 40):     "aws_secret_access_key = [REDACTED]",
		"AccountKey=" + chars(alnum, 64) + "==;":          "AccountKey=[REDACTED];",
		"pass_phrase=" + word:                             "pass_phrase=[REDACTED]",
		"x = '" + chars(hex, 40) + "'":                    "x = '[REDACTED]'",
	} {
		if v := remotetest.Pre(t, g, remotetest.User(t, text)); v.Texts == nil || v.Texts[0] != want {
			t.Errorf("%q: %+v", text, v)
		}
	}
}

func TestCheck_arguments(t *testing.T) {
	g := remotetest.Open(t, hidesecrets.Open, `{}`, nil)
	key := "gh" + "p_" + chars(alnum, 36)
	c := remotetest.Chat(t, `[{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"run","arguments":"{\"a\":\"x\\n`+key+`\"}"}}]}]`)
	if v := remotetest.Pre(t, g, c); v.Action != guardrail.Mask || strings.Contains(v.Texts[len(v.Texts)-1], key) {
		t.Errorf("got %+v", v)
	}
}

// clean has much that looks like a secret, and none.
var clean = []string{
	"The password policy asks for twelve characters; a secret is a secret, and the token of esteem was given.",
	"id 550e8400-e29b-41d4-a716-446655440000, commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
	"ocid1.instance.oc1.phx.abyhqljtqsmx2fzbnyqw3q7zlvbpl3wc6ixjrgzq5bcfzvqkwbmk7v7qxj5a",
	`password = os.environ["DB_PASSWORD"]; token := getToken(ctx); secret: ${SECRET_NAME}`,
	"https://example.com/a/b?c=d and http://localhost:8080/path@v1.2.3",
	"sk-learn and sk-somewhere-over-the-rainbow-way-up-high are no keys; nor is task-management-system-of-record",
	"import { token } from './token'; const password = undefined; api_key=None",
	`x = "internationalization"; y = "thequickbrownfoxjumpsoverthelazydog"`,
	"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
}

func TestCheck_clean(t *testing.T) {
	g := remotetest.Open(t, hidesecrets.Open, `{}`, nil)
	for _, text := range clean {
		if v := remotetest.Pre(t, g, remotetest.User(t, text)); v.Action != "" {
			t.Errorf("%q: %+v", text, v)
		}
	}
}

func TestOpen_plugins(t *testing.T) {
	text := "gh" + "p_" + chars(alnum, 36) + " and " + "AK" + "IA" + chars(upper32, 16) + " and '" + chars(hex, 40) + "'"
	for settings, want := range map[string]int{
		`{"detect_secrets_config":{"plugins_used":[{"name":"GitHubTokenDetector"}]}}`:                                                               1,
		`{"detect_secrets_config":{"plugins_used":[{"name":"AWSKeyDetector"},{"name":"HexHighEntropyString","limit":3.0}]}}`:                        2,
		`{"detect_secrets_config":{"plugins_used":[{"name":"HexHighEntropyString","limit":4.5}]}}`:                                                  0,
		`{"detect_secrets_config":{"plugins_used":[{"name":"AnthropicKeyDetector"},{"name":"aws_access_key"},{"name":"Base64HighEntropyString"}]}}`: 1,
	} {
		v := remotetest.Pre(t, remotetest.Open(t, hidesecrets.Open, settings, nil), remotetest.User(t, text))
		got := 0
		if v.Texts != nil {
			got = strings.Count(v.Texts[0], "[REDACTED]")
		}
		if got != want {
			t.Errorf("%s: %d", settings, got)
		}
	}
	for _, settings := range []string{`{"detect_secrets_config":{"plugins_used":[{"name":"NoSuchDetector"}]}}`, `{"detect_secrets_config":{"plugins_used":[{"name":"SoftlayerDetector"}]}}`, `{"detect_secrets_config":{"plugins_used":[{"name":"HexHighEntropyString","limit":9}]}}`, `{"detect_secrets_config":{"odd":1}}`} {
		if _, err := hidesecrets.Open(remotetest.Spec(t, settings, nil)); err == nil {
			t.Errorf("%s passes", settings)
		}
	}
}

// TestStream sends every secret in pieces of every size: what arrives is what arrives of the whole.
func TestStream(t *testing.T) {
	g := remotetest.Open(t, hidesecrets.Open, `{}`, nil)
	overlap := g.(guardrail.Windowed).Overlap()
	for kind, secret := range planted() {
		if len(secret) > overlap {
			t.Errorf("%s: %d characters do not fit into an overlap of %d", kind, len(secret), overlap)
		}
	}
}

func FuzzCheck(f *testing.F) {
	g := remotetest.Open(f, hidesecrets.Open, `{}`, nil)
	for _, text := range clean {
		f.Add(text)
	}
	for _, secret := range planted() {
		f.Add("x " + secret + " y")
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text != "" && strings.ToValidUTF8(text, "") == text {
			remotetest.Pre(t, g, remotetest.User(t, text))
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	g := remotetest.Open(b, hidesecrets.Open, `{}`, nil)
	c := remotetest.User(b, strings.Repeat("It was the best of times, it was the worst of times; in 1775 the King's ministers, 12 of them, said to their clerks: write it down. ", 3000))
	b.SetBytes(int64(len(c.Texts[0].Value)))
	for b.Loop() {
		if _, err := g.Check(b.Context(), &guardrail.Input{Phase: guardrail.PreCall, Content: c, Call: &guardrail.Call{}}); err != nil {
			b.Fatal(err)
		}
	}
}
