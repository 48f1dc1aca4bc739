package detect

import (
	"net/netip"
	"strings"
)

// Entities are personal data by Presidio's names, and names of the same kind where Presidio has none.
func Entities() []Rule {
	return []Rule{
		{Kind: "EMAIL_ADDRESS", Literals: []string{"@"}, Find: email, Before: 64, Longest: 256},
		{Kind: "CREDIT_CARD", Digits: 12, Longest: 32, Find: cardAt},
		{Kind: "IBAN_CODE", Digits: 8, Letter: true, Longest: 48, Find: ibanAt},
		{Kind: "US_SSN", Digits: 9, Longest: 16, Check: usSSN, Pattern: `\d{3}[\- ]\d{2}[\- ]\d{4}`},
		{Kind: "US_SSN", Score: .6, Digits: 9, Longest: 16, Check: usSSN, Near: []string{"ssn", "social security"}, Pattern: `\d{9}\b`},
		{Kind: "US_ITIN", Digits: 9, Longest: 16, Check: usITIN, Pattern: `9\d{2}[\- ]\d{2}[\- ]\d{4}`},
		{Kind: "US_BANK_NUMBER", Score: .6, Digits: 8, Longest: 24, Near: []string{"routing", "aba", "bank account", "account number", "account no", "checking account"}, Pattern: `\d{8,17}`},
		{Kind: "US_PASSPORT", Score: .6, Digits: 8, Longest: 16, Near: []string{"passport"}, Pattern: `[A-Z]?\d{8,9}`},
		{Kind: "US_DRIVER_LICENSE", Score: .5, Digits: 6, Longest: 20, Near: []string{"driver license", "driver's license", "drivers license", "driving licence", "driver's licence"}, Pattern: `[A-Z]{0,2}\d{6,14}`},
		{Kind: "UK_NHS", Digits: 10, Longest: 16, Check: ukNHS, Pattern: `\d{3}[ \-]\d{3}[ \-]\d{4}`},
		{Kind: "UK_NHS", Score: .8, Digits: 10, Longest: 16, Check: ukNHS, Near: []string{"nhs"}, Pattern: `\d{10}`},
		{Kind: "UK_NINO", Digits: 6, Letter: true, Longest: 20, Check: ukNINO, Pattern: `(?i)[a-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[a-d]`},
		{Kind: "ES_NIF", Digits: 8, Longest: 16, Check: esNIF, Pattern: `(?i)\d{8}[\- ]?[a-hj-np-tv-z]`},
		{Kind: "ES_NIE", Digits: 7, Letter: true, Longest: 16, Check: esNIE, Pattern: `(?i)[xyz][\- ]?\d{7}[\- ]?[a-hj-np-tv-z]`},
		{Kind: "IT_FISCAL_CODE", Digits: 7, Letter: true, Longest: 20, Check: itFiscal, Pattern: `(?i)[a-z]{6}\d{2}[abcdehlmprst]\d{2}[a-z]\d{3}[a-z]`},
		{Kind: "DE_TAX_ID", Digits: 11, Longest: 16, Check: deTaxID, Pattern: `\d{2} ?\d{3} ?\d{3} ?\d{3}`},
		{Kind: "FR_NIR", Digits: 13, Longest: 24, Check: frNIR, Pattern: `[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}`},
		{Kind: "PL_PESEL", Score: .9, Digits: 11, Longest: 12, Check: plPESEL, Pattern: `\d{11}`},
		{Kind: "NL_BSN", Score: .9, Digits: 9, Longest: 12, Check: nlBSN, Near: []string{"bsn", "burgerservicenummer", "sofinummer"}, Pattern: `\d{9}|\d{4}\.\d{2}\.\d{3}`},
		{Kind: "BR_CPF", Digits: 11, Longest: 16, Check: brCPF, Pattern: `\d{3}\.\d{3}\.\d{3}-\d{2}`},
		{Kind: "BR_CPF", Score: .9, Digits: 11, Longest: 16, Check: brCPF, Near: []string{"cpf"}, Pattern: `\d{11}`},
		{Kind: "IN_PAN", Score: .9, Digits: 4, Letter: true, Longest: 12, Pattern: `[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]`},
		{Kind: "IN_AADHAAR", Digits: 12, Longest: 16, Check: inAadhaar, Pattern: `[2-9]\d{3}[ \-]\d{4}[ \-]\d{4}`},
		{Kind: "IN_AADHAAR", Score: .8, Digits: 12, Longest: 16, Check: inAadhaar, Near: []string{"aadhaar", "aadhar", "uidai"}, Pattern: `[2-9]\d{11}`},
		{Kind: "SG_NRIC_FIN", Digits: 7, Letter: true, Longest: 12, Check: sgNRIC, Pattern: `(?i)[stfg]\d{7}[a-z]`},
		{Kind: "AU_TFN", Score: .9, Digits: 9, Longest: 12, Check: auTFN, Near: []string{"tax file", "tfn"}, Pattern: `\d{3} ?\d{3} ?\d{3}`},
		{Kind: "AU_ABN", Digits: 11, Longest: 16, Check: auABN, Pattern: `\d{2} \d{3} \d{3} \d{3}`},
		{Kind: "AU_MEDICARE", Score: .9, Digits: 10, Longest: 16, Check: auMedicare, Near: []string{"medicare"}, Pattern: `[2-6]\d{3} ?\d{5} ?\d`},
		{Kind: "CA_SIN", Score: .9, Digits: 9, Longest: 12, Check: Luhn, Near: []string{"sin", "social insurance", "nas"}, Pattern: `[1-79]\d{2}[ \-]?\d{3}[ \-]?\d{3}`},
		{Kind: "CH_AHV", Digits: 13, Longest: 20, Check: chAHV, Pattern: `756\.\d{4}\.\d{4}\.\d{2}|756\d{10}`},
		{Kind: "SE_PERSONNUMMER", Digits: 10, Longest: 16, Check: sePersonal, Pattern: `(?:19|20)?\d{6}[\-+]\d{4}`},
		{Kind: "FI_PERSONAL_IDENTITY_CODE", Digits: 9, Longest: 16, Check: fiPersonal, Pattern: `(?i)\d{6}[\-+a-fu-y]\d{3}[0-9a-fhj-np-y]`},
		{Kind: "PHONE_NUMBER", Score: .7, Digits: 8, Longest: 32, Check: phone, Pattern: `\+[1-9]\d{0,2}(?:[ .\-]?\(?\d{1,5}\)?){1,6}|00[1-9]\d{1,2}(?:[ .\-]?\d{2,5}){2,5}`},
		{Kind: "PHONE_NUMBER", Score: .7, Digits: 10, Longest: 24, Check: nanp, Pattern: `(?:1[ .\-])?(?:\(\d{3}\) ?|\d{3}[.\-])\d{3}[.\-]\d{4}`},
		{Kind: "PHONE_NUMBER", Score: .6, Digits: 7, Longest: 32, Check: phoneNear, Near: []string{"phone", "tel", "telephone", "mobile", "cell", "fax", "call me", "telefon", "handy", "téléphone", "teléfono", "whatsapp"},
			Pattern: `\(?\d{2,5}\)?(?:[ ./\-]{0,2}\d{2,5}){1,5}`},
		{Kind: "IP_ADDRESS", Score: .8, Digits: 4, Longest: 16, Check: ipv4, Pattern: `\d{1,3}(?:\.\d{1,3}){3}`},
		{Kind: "IP_ADDRESS", Score: .8, Literals: []string{":"}, Find: ipv6, Before: 4, Longest: 48},
		{Kind: "MAC_ADDRESS", Score: .9, Literals: []string{":"}, Find: mac, Before: 2, Longest: 20},
		{Kind: "MAC_ADDRESS", Score: .9, Digits: 2, Longest: 20, Pattern: `[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}`},
		{Kind: "URL", Score: .6, Literals: []string{"http://", "https://", "ftp://"}, Fold: true, Longest: 2048, Held: 256, Find: urlAt},
		{Kind: "CRYPTO", Digits: 1, Longest: 40, Find: bitcoin},
		{Kind: "CRYPTO", Literals: []string{"bc1"}, Fold: true, Longest: 96, Check: bech32, Pattern: `(?i)bc1[02-9ac-hj-np-z]{11,71}`},
		{Kind: "CRYPTO", Score: .8, Literals: []string{"0x"}, Longest: 48, Pattern: `0x[0-9a-fA-F]{40}`},
		{Kind: "DATE_TIME", Score: .5, Digits: 6, Longest: 12, Check: date, Near: []string{"born", "birth", "birthday", "dob", "geboren", "né le", "née le"}, Pattern: `\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{4}`},
	}
}

// Kinds are the kinds of rules, each once, in their order.
func Kinds(rules []Rule) []string {
	var kinds []string
	seen := map[string]bool{}
	for _, r := range rules {
		if !seen[r.Kind] {
			seen[r.Kind] = true
			kinds = append(kinds, r.Kind)
		}
	}
	return kinds
}

// Of are the rules of one kind, under the name that is given.
func Of(rules []Rule, kind, name string) []Rule {
	var found []Rule
	for _, r := range rules {
		if r.Kind == kind {
			r.Kind = name
			found = append(found, r)
		}
	}
	return found
}

func isLocal(c byte) bool { return isAlnum(c) || strings.IndexByte("._%+-", c) >= 0 }

// email finds the address around an @.
func email(text string, at int) (start, end int, ok bool) {
	start = at
	for start > 0 && at-start < 64 && isLocal(text[start-1]) {
		start--
	}
	for start < at && !isAlnum(text[start]) {
		start++
	}
	label, dot := at+1, -1
	limit := min(at+190, len(text))
	end = at + 1
	for ; end < limit; end++ {
		c := text[end]
		if c == '.' && end > label && end+1 < limit && isAlnum(text[end+1]) {
			dot, label = end, end+1
		} else if !isAlnum(c) && (c != '-' || end == label) {
			break
		}
	}
	for end > at && !isAlnum(text[end-1]) {
		end--
	}
	if start == at || dot < 0 || end-dot < 3 || end-dot > 25 {
		return 0, 0, false
	}
	for i := dot + 1; i < end; i++ {
		if isDigit(text[i]) {
			return 0, 0, false
		}
	}
	return start, end, true
}

// grouped finds the longest number that begins at text[at], is written in groups of two or more with a blank or a dash between
// them, has from fewest to most characters besides those and passes.
func grouped(text string, at, fewest, most int, part func(byte) bool, passes func(string) bool) (end int, ok bool) {
	n, best := 0, 0
	for i := at; i < len(text) && n < most; i++ {
		c := text[i]
		if !part(c) {
			if c != ' ' && c != '-' || i+1 >= len(text) || !part(text[i+1]) {
				break
			}
			continue
		}
		if n++; n < fewest || i+1 < len(text) && part(text[i+1]) {
			continue // in the middle of a group
		}
		if passes(text[at : i+1]) {
			best = i + 1
		}
	}
	return best, best > 0
}

// cardAt finds a number of a payment card: 12 to 19 digits of a network that exists, with a check digit.
func cardAt(text string, at int) (start, end int, ok bool) {
	if at >= len(text) || text[at] < '2' || text[at] > '6' {
		return 0, 0, false
	}
	if text[at] == '2' && (at+1 >= len(text) || text[at+1] < '2' || text[at+1] > '7') {
		return 0, 0, false // Mastercard's begin with 2221 to 2720
	}
	end, ok = grouped(text, at, 12, 19, isDigit, card)
	return at, end, ok
}

// Network is the name of a card's network: visa, mastercard, amex, and "" of others.
func Network(number string) string {
	d := digitsOf(number)
	if len(d) < 13 {
		return ""
	}
	four := d[0]*1000 + d[1]*100 + d[2]*10 + d[3]
	switch n := len(d); {
	case d[0] == 4 && (n == 13 || n == 16 || n == 19):
		return "visa"
	case n == 16 && (four >= 5100 && four < 5600 || four >= 2221 && four <= 2720):
		return "mastercard"
	case n == 15 && (four/100 == 34 || four/100 == 37):
		return "amex"
	}
	return ""
}

// ibanAt finds an account number as it is written together, or in groups of four.
func ibanAt(text string, at int) (start, end int, ok bool) {
	if len(text)-at < 15 || !isLetter(text[at+1]) || !isDigit(text[at+2]) || !isDigit(text[at+3]) {
		return 0, 0, false
	}
	want := ibanLengths[strings.ToUpper(text[at:at+2])]
	if want == 0 {
		return 0, 0, false
	}
	end, ok = grouped(text, at, want, want, isAlnum, iban)
	return at, end, ok
}

func isLetter(c byte) bool { return (c|0x20)-'a' < 26 }

// ipv6 finds the address around a colon.
func ipv6(text string, at int) (start, end int, ok bool) {
	inside := func(c byte) bool { return isHex(c) || c == ':' || c == '.' }
	start, end = at, at+1
	for start > 0 && at-start < 5 && (isHex(text[start-1]) || text[start-1] == ':') {
		start--
	}
	for end < len(text) && end-start < 48 && inside(text[end]) {
		end++
	}
	for end > start && (text[end-1] == '.' || text[end-1] == ':' && !strings.HasSuffix(text[start:end], "::")) {
		end--
	}
	found := text[start:end]
	if len(found) < 7 || strings.Count(found, ":") < 3 || !strings.ContainsAny(found, "0123456789") {
		return 0, 0, false
	}
	address, err := netip.ParseAddr(found)
	return start, end, err == nil && address.Is6()
}

// mac finds the hardware address around its first colon.
func mac(text string, at int) (start, end int, ok bool) {
	const length = 17
	start = at - 2
	end = start + length
	if start < 0 || end > len(text) || end < len(text) && text[end] == ':' || start > 0 && text[start-1] == ':' {
		return 0, 0, false
	}
	for i := range length {
		if c := text[start+i]; i%3 == 2 && c != ':' || i%3 != 2 && !isHex(c) {
			return 0, 0, false
		}
	}
	return start, end, true
}

// urlAt finds an address of the web.
func urlAt(text string, at int) (start, end int, ok bool) {
	end = at
	for end < len(text) && end-at < 2048 && text[end] > ' ' && strings.IndexByte("<>\"'`{}|\\^[]", text[end]) < 0 {
		end++
	}
	for end > at && strings.IndexByte(".,;:!?)", text[end-1]) >= 0 {
		end--
	}
	for end > at && end < len(text) && text[end]&0xc0 == 0x80 { // a bounded cut may be inside of a character
		end--
	}
	slashes := strings.Index(text[at:end], "://")
	return at, end, slashes > 0 && end-at > slashes+4
}

// bitcoin finds an address of Bitcoin's older kinds.
func bitcoin(text string, at int) (start, end int, ok bool) {
	if text[at] != '1' && text[at] != '3' {
		return 0, 0, false
	}
	for end = at; end < len(text) && isAlnum(text[end]) && end-at <= 35; end++ {
	}
	if n := end - at; n < 26 || n > 35 {
		return 0, 0, false
	}
	return at, end, base58Check(text[at:end])
}
