package contentfilter

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"tollgate/internal/guardrail/detect"
)

// passport are words near which a number may be that of a passport: by themselves such numbers look like any other.
var passport = []string{"passport", "passports", "travel document", "passeport", "reisepass", "pass-nr", "passnummer", "paspoort", "paszport", "pasaporte", "passaporto", "passaporte", "паспорт", "护照", "護照", "パスポート"}

// shapes are further patterns of LiteLLM. Where LiteLLM finds any number of a length, a word of its kind must stand near it here.
var shapes = map[string]detect.Rule{
	"discover":             {Digits: 16, Longest: 24, Check: detect.Luhn, Pattern: `6(?:011|4[4-9]\d|5\d\d)(?:\d{12}|(?:[ \-]\d{4}){3})`},
	"generic_api_key":      {Score: .7, Literals: []string{"api"}, Fold: true, Longest: 160, Loose: true, Pattern: `(?i)api[\-_ ]?key["']?\s{0,3}[:=]\s{0,3}["']?([A-Za-z0-9_\-]{20,128})`},
	"passport_uk":          {Score: .6, Digits: 9, Longest: 10, Near: passport, Pattern: `\d{9}`},
	"passport_germany":     {Score: .6, Digits: 1, Longest: 10, Near: passport, Pattern: `[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}`},
	"passport_france":      {Score: .6, Digits: 7, Longest: 10, Near: passport, Pattern: `\d{2}[A-Z]{2}\d{5}`},
	"eu_passport_generic":  {Score: .6, Digits: 7, Longest: 10, Near: passport, Pattern: `\d{2}[A-Z]{2}\d{5}`},
	"passport_netherlands": {Score: .6, Digits: 1, Letter: true, Longest: 10, Near: passport, Pattern: `[A-NP-Z]{2}[A-NP-Z0-9]{6}\d`},
	"passport_canada":      {Score: .6, Digits: 6, Letter: true, Longest: 10, Near: passport, Pattern: `[A-Z]{2}\d{6}|[A-Z]\d{6}[A-Z]{2}`},
	"passport_india":       {Score: .6, Digits: 7, Letter: true, Longest: 10, Near: passport, Pattern: `[A-Z]\d{7}`},
	"passport_australia":   {Score: .6, Digits: 7, Letter: true, Longest: 10, Near: passport, Pattern: `[A-Z]{1,2}\d{7}`},
	"passport_china":       {Score: .6, Digits: 8, Letter: true, Longest: 10, Near: passport, Pattern: `(?i)[eg]\d{8}`},
	"passport_japan":       {Score: .6, Digits: 7, Letter: true, Longest: 10, Near: passport, Pattern: `[A-Z]{2}\d{7}`},
	"br_cnpj":              {Digits: 14, Longest: 20, Check: cnpj, Pattern: `\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}`},
	"br_rg":                {Score: .6, Digits: 8, Longest: 14, Near: []string{"rg", "registro geral", "identidade"}, Pattern: `\d{1,2}\.\d{3}\.\d{3}-[\dXx]`},
	"br_cep":               {Score: .6, Digits: 8, Longest: 10, Near: []string{"cep", "código postal", "codigo postal", "endereço", "endereco"}, Pattern: `\d{5}-?\d{3}`},
	"br_phone_mobile":      {Score: .7, Digits: 11, Longest: 24, Pattern: `(?:\+55 ?)?(?:\(\d{2}\) ?|\d{2} )9 ?\d{4}-?\d{4}`},
	"br_phone_landline":    {Score: .7, Digits: 10, Longest: 24, Pattern: `(?:\+55 ?)?(?:\(\d{2}\) ?|\d{2} )[2-5]\d{3}-?\d{4}`},
	"fr_phone":             {Score: .7, Digits: 10, Longest: 24, Pattern: `(?:(?:\+33|0033)[ .]?|0)[1-9](?:[ .\-]?\d{2}){4}`},
	"fr_postal_code":       {Score: .6, Digits: 5, Longest: 6, Near: []string{"code postal", "postal code", "cp", "zip code", "postcode"}, Pattern: `\d{5}`},
	"eu_vat": {Score: .6, Digits: 6, Letter: true, Longest: 16, Near: []string{"vat", "v.a.t", "tva", "iva", "btw", "mwst", "ust", "ust-idnr", "value added tax", "tax number", "tax id", "fiscal number", "fiscal code"},
		Pattern: `(?:AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK)[0-9A-Z]{8,12}`},
	"street_address": {Score: .6, Digits: 1, Longest: 96, Pattern: `\d{1,6}[A-Za-z]?(?: [A-Z0-9][A-Za-z0-9.'\-]{0,20}){1,4} (?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Drive|Dr|Lane|Ln|Way|Court|Ct|Place|Pl|Circle|Cir)\b`},
}

// spoken are the patterns of LiteLLM that are lists of words. The lists are our own, and shorter: a pattern has no exceptions.
var spoken = map[string]string{
	"gender_sexual_orientation":      "gay|lesbian|bisexual|pansexual|asexual|heterosexual|homosexual|transgender|transsexual|nonbinary|non-binary|genderqueer|intersex|lgbt|lgbtq|sexual orientation|gender identity|same-sex",
	"race_ethnicity_national_origin": "caucasian|african american|african-american|hispanic|latino|latina|asian american|pacific islander|native american|indigenous|biracial|multiracial|person of color|people of color|national origin|ethnicity|ethnic origin",
	"religion":                       "christian|catholic|protestant|evangelical|mormon|jewish|judaism|muslim|islam|islamic|hindu|hinduism|buddhist|buddhism|sikh|atheist|agnostic|religious belief|religious affiliation",
	"age_discrimination":             "elderly|senior citizen|too old|too young|old age|retiree|pensioner|date of birth|ageism|age discrimination",
	"disability":                     "disabled|disability|disabilities|wheelchair|blindness|deafness|paraplegic|quadriplegic|mental illness|special needs|service animal|reasonable accommodation",
	"marital_family_status":          "unmarried|divorced|widowed|widower|marital status|pregnant|pregnancy|maternity|paternity|single mother|single father|single parent|family status|child support|alimony",
	"military_status":                "veteran|veterans|active duty|national guard|servicemember|service member|military service|honorable discharge|dishonorable discharge|armed forces",
	"public_assistance":              "welfare|food stamps|medicaid|section 8|housing voucher|public assistance|public housing|unemployment benefits|government benefits",
	"weapons_firearms":               "firearm|firearms|handgun|pistol|revolver|rifle|shotgun|assault rifle|machine gun|ammunition|ghost gun|silencer|bump stock|ar-15|ak-47",
	"weapons_other":                  "machete|switchblade|brass knuckles|stun gun|taser|pepper spray|crossbow|nunchucks|throwing star|garrote|shiv",
	"explosives":                     "bomb|pipe bomb|explosive|explosives|detonator|dynamite|semtex|nitroglycerin|molotov|grenade|landmine|blasting cap",
	"violence_threats":               "i will kill|going to kill|gonna kill|death threat|deserve to die|deserves to die|beat to death|behead|mass shooting|massacre",
	"terrorism":                      "terrorist attack|terrorism|suicide bomber|suicide bombing|sleeper cell|lone wolf attack|caliphate|neo-nazi|white supremacist|race war",
	"self_harm_suicide":              "suicide|suicidal|kill myself|end my life|want to die|self-harm|self harm|cutting myself|hang myself|suicide note",
	"illegal_activities":             "money laundering|launder money|drug trafficking|human trafficking|contract killing|credit card fraud|identity theft|insider trading|ponzi scheme|extortion|kidnapping|counterfeit money",
	"harassment_hate":                "kill all|gas the|subhuman|race traitor|i know where you live|rape threat|doxxing|hope you die|kill yourself",
}

// selected are patterns of LiteLLM that are some of the rules of an entity.
var selected = map[string]struct {
	kind string
	keep func(r *detect.Rule) bool
}{
	"us_ssn_no_dash":     {"US_SSN", func(r *detect.Rule) bool { return len(r.Near) > 0 }},
	"ipv4":               {"IP_ADDRESS", func(r *detect.Rule) bool { return r.Digits > 0 }},
	"ipv6":               {"IP_ADDRESS", func(r *detect.Rule) bool { return r.Digits == 0 }},
	"passport_us":        {"US_PASSPORT", every},
	"nl_bsn_contextual":  {"NL_BSN", every},
	"br_cpf_unformatted": {"BR_CPF", func(r *detect.Rule) bool { return len(r.Near) > 0 }},
	"eu_iban_enhanced":   {"IBAN_CODE", every},
}

func every(*detect.Rule) bool { return true }

// further are the names of all of these.
func further() []string {
	return slices.Concat(slices.Collect(maps.Keys(shapes)), slices.Collect(maps.Keys(spoken)), slices.Collect(maps.Keys(selected)))
}

// furtherRules are the rules of one of them, nil for another name.
func furtherRules(name string) []detect.Rule {
	if r, ok := shapes[name]; ok {
		r.Kind = name
		return []detect.Rule{r}
	}
	if list, ok := spoken[name]; ok {
		return []detect.Rule{said(name, strings.Split(list, "|"))}
	}
	s, ok := selected[name]
	if !ok {
		return nil
	}
	return slices.DeleteFunc(detect.Of(detect.Entities(), s.kind, name), func(r detect.Rule) bool { return !s.keep(&r) })
}

// said is a rule that finds words, the longest that fits.
func said(name string, words []string) detect.Rule {
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	longest := 0
	patterns := make([]string, len(words))
	for i, w := range words {
		longest = max(longest, len(w))
		patterns[i] = strings.ReplaceAll(regexp.QuoteMeta(w), " ", `\s{1,4}`)
	}
	firsts := make([]string, 0, len(words)) // up to a blank, of which there may be several
	for _, w := range words {
		first, _, _ := strings.Cut(w, " ")
		if !slices.Contains(firsts, first) {
			firsts = append(firsts, first)
		}
	}
	return detect.Rule{Kind: name, Score: .5, Literals: firsts, Fold: true, Longest: longest + 16, Pattern: `(?i)(?:` + strings.Join(patterns, "|") + `)\b`}
}

// cnpj checks the two check digits of a Brazilian company (mod 11).
func cnpj(s string) bool {
	var d []int
	for _, c := range s {
		if c >= '0' && c <= '9' {
			d = append(d, int(c-'0'))
		}
	}
	if len(d) != 14 || !slices.ContainsFunc(d, func(n int) bool { return n != d[0] }) {
		return false
	}
	for n := 12; n < 14; n++ {
		sum := 0
		for i := range n {
			sum += d[i] * (2 + (n-1-i)%8)
		}
		if check := (11 - sum%11) % 11 % 10; d[n] != check {
			return false
		}
	}
	return true
}
