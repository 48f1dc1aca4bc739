package detect

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// Secrets are keys, tokens and passwords, by the names of what they belong to.
func Secrets() []Rule {
	const (
		longKey = 512
		held    = 768 // of a key that is longer: an answer that is streamed is not kept back for more
	)
	return []Rule{
		{Kind: "private_key", Literals: []string{"-----BEGIN "}, Find: pem, Longest: 8192, Held: held, Loose: true},
		{Kind: "putty_private_key", Literals: []string{"PuTTY-User-Key-File-"}, Find: putty, Longest: puttyKey, Held: held, Loose: true},
		{Kind: "aws_access_key", Literals: []string{"AKIA", "ASIA", "ABIA", "ACCA"}, Pattern: `(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}`},
		{Kind: "aws_secret_key", Score: .9, Literals: []string{"aws", "secret"}, Fold: true, Pattern: `(?i)(?:aws|secret)[a-z_ \-]{0,30}key[a-z_ \-]{0,10}["']?\s{0,3}[:=]\s{0,3}["']?([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+]|\z)`, Loose: true},
		{Kind: "oci_auth_material", Score: .9, Literals: []string{"pass_phrase", "security_token", "auth_token", "customer_secret_key", "fingerprint"}, Fold: true, Longest: 4096, Held: held,
			Pattern: `(?i)(?:pass_phrase|security_token|auth_token|customer_secret_key)["']?[ \t]{0,3}[:=][ \t]{0,3}["']?([^\s"']{8,})|fingerprint["']?[ \t]{0,3}[:=][ \t]{0,3}["']?((?:[0-9a-f]{2}:){15}[0-9a-f]{2})`, Loose: true},
		{Kind: "oci_session_token", Literals: []string{"ST$eyJ"}, Find: jwt, Longest: 4096, Held: held},
		{Kind: "github_token", Literals: []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"}, Longest: longKey, Pattern: `(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})`},
		{Kind: "gitlab_token", Literals: []string{"glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glsoat-"}, Pattern: `gl(?:pat|dt|rt|ptt|cbt|soat)-[A-Za-z0-9_\-]{20,64}`},
		{Kind: "slack_token", Literals: []string{"xox", "xapp-"}, Longest: longKey, Pattern: `xox[abeoprs]-[A-Za-z0-9\-]{10,}|xapp-\d-[A-Za-z0-9\-]{20,}`},
		{Kind: "slack_webhook", Literals: []string{"https://hooks.slack.com/"}, Pattern: `https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{20,}`},
		{Kind: "discord_webhook", Literals: []string{"/api/webhooks/"}, Longest: 160, Pattern: `/api/webhooks/(\d{15,22}/[A-Za-z0-9_\-]{60,80})`},
		{Kind: "telegram_bot_token", Literals: []string{":AA"}, Before: 12, Pattern: `\d{8,10}:AA[A-Za-z0-9_\-]{33}`},
		{Kind: "google_api_key", Literals: []string{"AIza"}, Pattern: `AIza[A-Za-z0-9_\-]{35}`},
		{Kind: "google_oauth", Literals: []string{"GOCSPX-", "ya29."}, Longest: longKey, Pattern: `GOCSPX-[A-Za-z0-9_\-]{28}|ya29\.[A-Za-z0-9_\-]{20,}`},
		{Kind: "azure_key", Score: .9, Literals: []string{"accountkey=", "sharedaccesskey="}, Fold: true, Longest: 160, Pattern: `(?i)(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,}={0,2})`, Loose: true},
		{Kind: "azure_sas", Score: .9, Literals: []string{"sig="}, Longest: 160, Pattern: `sig=([A-Za-z0-9%/+]{40,100}(?:%3D|=)?)`, Loose: true},
		{Kind: "azure_client_secret", Score: .9, Literals: []string{"8Q~", "7Q~"}, Before: 4, Pattern: `[A-Za-z0-9_~.\-]{3}[78]Q~[A-Za-z0-9_~.\-]{31,34}`},
		{Kind: "anthropic_key", Literals: []string{"sk-ant-"}, Longest: 256, Pattern: `sk-ant-[a-z0-9]{2,12}-[A-Za-z0-9_\-]{20,}`},
		{Kind: "openai_key", Literals: []string{"sk-"}, Longest: 256, Check: hasDigit, Pattern: `sk-(?:proj-|svcacct-|admin-|or-v1-)?[A-Za-z0-9_\-]{20,}`},
		{Kind: "huggingface_token", Literals: []string{"hf_", "api_org_"}, Pattern: `(?:hf|api_org)_[A-Za-z0-9]{30,}`},
		{Kind: "groq_key", Literals: []string{"gsk_"}, Pattern: `gsk_[A-Za-z0-9]{40,}`},
		{Kind: "xai_key", Literals: []string{"xai-"}, Pattern: `xai-[A-Za-z0-9]{60,}`},
		{Kind: "replicate_token", Literals: []string{"r8_"}, Pattern: `r8_[A-Za-z0-9]{36,40}`},
		{Kind: "perplexity_key", Literals: []string{"pplx-"}, Pattern: `pplx-[A-Za-z0-9]{40,}`},
		{Kind: "langfuse_key", Literals: []string{"sk-lf-"}, Pattern: `sk-lf-[0-9a-f\-]{36}`},
		{Kind: "stripe_key", Literals: []string{"sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "whsec_"}, Longest: 256, Pattern: `(?:[srp]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9]{24,})`},
		{Kind: "square_token", Literals: []string{"EAAA", "sq0atp-", "sq0csp-"}, Pattern: `EAAA[A-Za-z0-9_\-]{60}|sq0(?:atp|csp)-[A-Za-z0-9_\-]{22,43}`, Check: hasDigit},
		{Kind: "twilio_key", Score: .9, Literals: []string{"SK", "AC"}, Pattern: `(?:SK|AC)[0-9a-f]{32}`},
		{Kind: "sendgrid_key", Literals: []string{"SG."}, Pattern: `SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{16,64}`},
		{Kind: "mailgun_key", Score: .9, Literals: []string{"key-"}, Pattern: `key-[0-9a-f]{32}`},
		{Kind: "mailchimp_key", Score: .9, Literals: []string{"-us"}, Before: 32, Pattern: `[0-9a-f]{32}-us\d{1,2}`},
		{Kind: "npm_token", Literals: []string{"npm_"}, Pattern: `npm_[A-Za-z0-9]{36}`},
		{Kind: "pypi_token", Literals: []string{"pypi-"}, Longest: 256, Pattern: `pypi-[A-Za-z0-9_\-]{50,}`},
		{Kind: "docker_token", Literals: []string{"dckr_pat_"}, Pattern: `dckr_pat_[A-Za-z0-9_\-]{27}`},
		{Kind: "digitalocean_token", Literals: []string{"dop_v1_", "doo_v1_", "dor_v1_"}, Pattern: `do[opr]_v1_[a-f0-9]{64}`},
		{Kind: "vault_token", Literals: []string{"hvs.", "hvb."}, Longest: 256, Pattern: `hv[bs]\.[A-Za-z0-9_\-]{24,}`},
		{Kind: "terraform_token", Literals: []string{".atlasv1."}, Before: 14, Pattern: `[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_\-=]{60,70}`},
		{Kind: "databricks_token", Literals: []string{"dapi"}, Pattern: `dapi[a-f0-9]{32}(?:-\d)?`},
		{Kind: "grafana_token", Literals: []string{"glsa_", "glc_"}, Longest: 256, Pattern: `glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}|glc_[A-Za-z0-9+/]{32,}={0,2}`},
		{Kind: "linear_key", Literals: []string{"lin_api_"}, Pattern: `lin_api_[A-Za-z0-9]{40}`},
		{Kind: "notion_token", Literals: []string{"ntn_"}, Pattern: `ntn_[A-Za-z0-9]{40,}`},
		{Kind: "postman_key", Literals: []string{"PMAK-"}, Pattern: `PMAK-[0-9a-f]{24}-[0-9a-f]{34}`},
		{Kind: "shopify_token", Literals: []string{"shpat_", "shpca_", "shppa_", "shpss_"}, Pattern: `shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}`},
		{Kind: "new_relic_key", Literals: []string{"NRAK-", "NRJS-"}, Pattern: `NR(?:AK-[A-Z0-9]{27}|JS-[a-f0-9]{19})`},
		{Kind: "sentry_token", Literals: []string{"sntrys_", "sntryu_"}, Longest: longKey, Pattern: `sntry(?:s_eyJ[A-Za-z0-9+/=_\-]{40,}|u_[a-f0-9]{64})`},
		{Kind: "age_secret_key", Literals: []string{"AGE-SECRET-KEY-1"}, Pattern: `AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}`},
		{Kind: "jwt", Literals: []string{"eyJ"}, Find: jwt, Longest: 4096, Held: held},
		{Kind: "oracle_connect_string", Score: .9, Literals: []string{"jdbc:oracle:", "oracle+", "sqlplus"}, Fold: true, Longest: 160, Loose: true, Pattern: `(?i)(?:jdbc:oracle:thin:|oracle\+[a-z]+://|sqlplus\s+)([\w$#]{1,30}[/:][^@\s/]{3,64})@`},
		{Kind: "url_with_password", Literals: []string{"://"}, Longest: 256, Loose: true, Pattern: `://[^\s/:@]{0,64}:([^\s/]{3,128})@`, Check: notTemplate},
		{Kind: "basic_auth", Score: .9, Literals: []string{"basic "}, Fold: true, Longest: longKey, Pattern: `(?i)basic\s+([A-Za-z0-9+/]{12,}={0,2})`, Check: userAndPassword, Near: []string{"authorization"}},
		{Kind: "bearer_token", Score: .9, Literals: []string{"bearer "}, Fold: true, Longest: 4096, Held: held, Pattern: `(?i)bearer\s+([A-Za-z0-9._~+/\-]{16,}=*)`, Check: mixed},
		{Kind: "assigned_secret", Score: .7, Literals: []string{"password", "passwd", "pwd", "secret", "token", "api_key", "apikey", "api-key", "passphrase"}, Fold: true, Longest: 192, Loose: true, Check: assigned,
			Pattern: `(?i)(?:password|passwd|pwd|passphrase|secret|token|api[_\-]?key)["']?\s{0,3}(?::=|=>|[:=])\s{0,3}["']?([^\s"',;<>{}()\[\]]{8,})`},
	}
}

// Bounds of what is looked for in one place: of parts of tokens, and of keys of PuTTY. Real ones are far shorter.
const (
	longestHeader  = 2048
	longestPayload = 8192
	fewestOfPart   = 13
	puttyKey       = 4096
)

// jwt finds a token of three parts, behind ST$ where it is one of OCI. To find the dots first keeps "eyJeyJeyJ..." cheap.
func jwt(text string, at int) (start, end int, ok bool) {
	rest := strings.TrimPrefix(text[at:], "ST$")
	first := strings.IndexByte(rest[:min(longestHeader, len(rest))], '.')
	if first < fewestOfPart || !strings.HasPrefix(rest[first+1:], "eyJ") || tokenPart(rest[:first]) < first {
		return 0, 0, false
	}
	payload := rest[first+1:]
	second := tokenPart(payload[:min(longestPayload, len(payload))])
	if second < fewestOfPart || second == len(payload) || payload[second] != '.' {
		return 0, 0, false
	}
	signature := tokenPart(payload[second+1:])
	return at, len(text) - len(payload) + second + 1 + signature, signature >= 10
}

// tokenPart is how many characters at the beginning of a text one part of a token may have.
func tokenPart(s string) int {
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '_' && s[i] != '-' {
			return i
		}
	}
	return len(s)
}

// putty finds a key file of PuTTY.
func putty(text string, at int) (start, end int, ok bool) {
	const last = "Private-MAC: "
	i := strings.Index(text[at:min(at+puttyKey, len(text))], last)
	if i < 0 {
		return 0, 0, false
	}
	end = at + i + len(last)
	for end < len(text) && isHex(text[end]) {
		end++
	}
	return at, end, true
}

// pem finds a private key, to its end or to the end of the text.
func pem(text string, at int) (start, end int, ok bool) {
	line := text[at:min(at+80, len(text))]
	stop := strings.Index(line[11:], "-----")
	if stop < 0 || !strings.Contains(line[:11+stop], "PRIVATE KEY") {
		return 0, 0, false
	}
	limit := min(at+8192, len(text))
	for limit < len(text) && text[limit]&0xc0 == 0x80 {
		limit++
	}
	body := text[at:limit]
	finish := strings.Index(body, "-----END ")
	if finish < 0 {
		return at, limit, true
	}
	tail := strings.Index(body[finish+9:], "-----")
	if tail < 0 {
		return at, limit, true
	}
	return at, at + finish + 9 + tail + 5, true
}

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }

// notTemplate leaves out a password that stands for another one: ${PASSWORD}, <password>, ****.
func notTemplate(s string) bool { return !strings.ContainsAny(s, "${}<>*") && s != "password" }

// userAndPassword reports whether Base64 stands for what Basic authentication sends.
func userAndPassword(s string) bool {
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	return err == nil && bytes.IndexByte(plain, ':') >= 0
}

// mixed tells a token from words.
func mixed(s string) bool {
	return hasDigit(s) && strings.ToLower(s) != strings.ToUpper(s) && !strings.Contains(s, "...")
}

// assigned leaves out what is assigned and is no secret: names, paths, references.
func assigned(s string) bool {
	digit, other := false, false
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			digit = true
		case c == '$' || c == '*':
			return false // a variable, or masked already
		case c != '_' && c != '-' && c != '.' && c != '/':
			other = true
		}
	}
	return digit && other && !strings.Contains(s, "://") && !strings.HasPrefix(s, "os.")
}
