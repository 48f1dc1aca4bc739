// Package hidesecrets is the guardrail `hide-secrets`: keys, tokens and passwords are masked before a model sees them. It asks
// nobody.
package hidesecrets

import (
	"context"
	"math"
	"slices"
	"strings"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/detect"
	"tollgate/internal/guardrail/remote"
)

const (
	mask = "[REDACTED]"
	// standardLimit is the entropy in bits per character from which a quoted text is a secret, as LiteLLM configures it.
	standardLimit = 3.0
	// fewestEntropy is how long such a text is at least: digits of a version or a word are shorter.
	fewestEntropy = 20
	mostEntropy   = 512
)

type secrets struct {
	scanner     *detect.Scanner // nil = no rule
	base64, hex float64         // limits; 0 = not looked for
}

var (
	_ guardrail.Windowed = (*secrets)(nil)
	_ guardrail.Opener   = Open
)

type plugin struct {
	Name  string   `json:"name"`
	Limit *float64 `json:"limit"`
	// Path is where LiteLLM finds a plugin of its own; it is not read.
	Path string `json:"path"`
}

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := &secrets{base64: standardLimit, hex: standardLimit}
	rules := detect.Secrets()
	var config struct {
		Plugins []plugin `json:"plugins_used"`
	}
	if spec.Settings.Into("detect_secrets_config", &config) && len(config.Plugins) > 0 {
		s.base64, s.hex = 0, 0
		rules = s.chosen(&spec, rules, config.Plugins)
	}
	if len(rules) > 0 {
		scanner, err := detect.New(rules)
		if err != nil {
			return nil, err
		}
		s.scanner = scanner
	}
	return s, spec.Settings.Err()
}

// plugins are detect-secrets' names, and LiteLLM's, of the kinds that this gateway tells apart.
var plugins = map[string][]string{
	"AWSKeyDetector":           {"aws_access_key", "aws_secret_key"},
	"AzureStorageKeyDetector":  {"azure_key", "azure_sas", "azure_client_secret"},
	"BasicAuthDetector":        {"url_with_password", "basic_auth", "oracle_connect_string"},
	"DiscordBotTokenDetector":  {"discord_webhook"},
	"GitHubTokenDetector":      {"github_token"},
	"GitLabTokenDetector":      {"gitlab_token"},
	"JwtTokenDetector":         {"jwt"},
	"KeywordDetector":          {"assigned_secret", "bearer_token"},
	"MailchimpDetector":        {"mailchimp_key"},
	"NpmDetector":              {"npm_token"},
	"OpenAIDetector":           {"openai_key"},
	"PrivateKeyDetector":       {"private_key", "putty_private_key", "age_secret_key"},
	"PypiTokenDetector":        {"pypi_token"},
	"SendGridDetector":         {"sendgrid_key"},
	"SlackDetector":            {"slack_token", "slack_webhook"},
	"SquareOAuthDetector":      {"square_token"},
	"StripeDetector":           {"stripe_key"},
	"TelegramBotTokenDetector": {"telegram_bot_token"},
	"TwilioKeyDetector":        {"twilio_key"},
}

// absent are detect-secrets' plugins for services that this gateway has no rule for.
var absent = []string{"ArtifactoryDetector", "CloudantDetector", "IbmCloudIamDetector", "IbmCosHmacDetector", "IPPublicDetector", "SoftlayerDetector"}

// chosen are the rules of the plugins that are used.
func (s *secrets) chosen(spec *guardrail.Spec, all []detect.Rule, used []plugin) []detect.Rule {
	const setting = "detect_secrets_config"
	var rules []detect.Rule
	for _, p := range used {
		limit := standardLimit
		if p.Limit != nil {
			limit = *p.Limit
		}
		if limit <= 0 || limit > 8 {
			spec.Settings.Fault(setting, "the limit of %s must be above 0 and at most 8 bits", p.Name)
		}
		name := p.Name
		switch {
		case name == "Base64HighEntropyString":
			s.base64 = limit
		case name == "HexHighEntropyString":
			s.hex = limit
		case plugins[name] != nil:
			for _, kind := range plugins[name] {
				rules = append(rules, detect.Of(all, kind, kind)...)
			}
		case slices.Contains(detect.Kinds(all), name):
			rules = append(rules, detect.Of(all, name, name)...)
		case slices.Contains(absent, name):
			spec.Settings.Fault(setting, "%s is not served; take it out, or find the service's keys by litellm_content_filter with a pattern of yours", name)
		default:
			kind := snake(strings.TrimSuffix(name, "Detector"))
			found := detect.Of(all, kind, kind)
			if found == nil {
				spec.Settings.Fault(setting, "there is no plugin %s; leave plugins_used out for all, or choose of %s and the entropy plugins", name, strings.Join(detect.Kinds(all), ", "))
			}
			rules = append(rules, found...)
		}
	}
	return rules
}

// snake is AnthropicKey as anthropic_key.
func snake(name string) string {
	var b strings.Builder
	for i, c := range name {
		if i > 0 && c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}

// Check implements guardrail.Guardrail.
func (s *secrets) Check(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	var tally remote.Tally
	texts, masked := remote.Values(in.Content.Texts), false
	for i := range texts {
		text := detect.TextOf(&in.Content.Texts[i])
		found := s.find(text.Value)
		if len(found) == 0 {
			continue
		}
		for _, m := range found {
			tally.Add(m.Kind, guardrail.Mask, m.Score)
		}
		texts[i], masked = text.Replace(found, func(detect.Match, string) string { return mask }), true
	}
	if !masked {
		return guardrail.Verdict{}, nil
	}
	return guardrail.Verdict{Action: guardrail.Mask, Texts: texts, Findings: tally.Findings()}, nil
}

func (s *secrets) find(text string) []detect.Match {
	var found []detect.Match
	if s.scanner != nil {
		found = s.scanner.Scan(text)
	}
	if s.base64 > 0 || s.hex > 0 {
		if more := s.entropy(text); more != nil {
			found = detect.Resolve(append(found, more...))
		}
	}
	return found
}

// Overlap implements guardrail.Windowed.
func (s *secrets) Overlap() int {
	n := mostEntropy + 2
	if s.scanner != nil {
		n = max(n, s.scanner.Overlap())
	}
	return n
}

// entropy finds quoted texts of one alphabet that look random.
func (s *secrets) entropy(text string) []detect.Match {
	var found []detect.Match
	for at := 0; at < len(text); {
		i := strings.IndexAny(text[at:], "\"'`")
		if i < 0 {
			break
		}
		start := at + i + 1
		end, hex, digits, letters := start, true, 0, 0
		for ; end < len(text) && end-start <= mostEntropy && inBase64(text[end]); end++ {
			c := text[end]
			switch {
			case c-'0' < 10:
				digits++
			case (c|0x20)-'a' < 26:
				letters++
			}
			hex = hex && (c-'0' < 10 || (c|0x20)-'a' < 6)
		}
		at = start
		if n := end - start; n < fewestEntropy || n > mostEntropy || end == len(text) || text[end] != text[start-1] || digits == 0 || letters == 0 {
			continue
		}
		at = end
		limit, kind := s.base64, "base64_high_entropy"
		if hex {
			limit, kind = s.hex, "hex_high_entropy"
		}
		if limit > 0 && bits(text[start:end]) > limit {
			found = append(found, detect.Match{Start: start, End: end, Kind: kind, Score: .6})
		}
	}
	return found
}

func inBase64(c byte) bool {
	return c-'0' < 10 || (c|0x20)-'a' < 26 || c == '+' || c == '/' || c == '=' || c == '-' || c == '_'
}

// bits is Shannon's entropy of a text, in bits per character.
func bits(s string) float64 {
	var times [256]int
	for i := range len(s) {
		times[s[i]]++
	}
	sum := 0.0
	for _, n := range times {
		if n > 0 {
			p := float64(n) / float64(len(s))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}
