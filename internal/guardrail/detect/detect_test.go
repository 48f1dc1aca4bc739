package detect

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func kinds(s *Scanner, text string) []string {
	var list []string
	for _, m := range s.Scan(text) {
		list = append(list, m.Kind+"="+text[m.Start:m.End])
	}
	return list
}

func TestEntities(t *testing.T) {
	s := Must(Entities())
	for text, want := range map[string]string{
		"Write to ann.lee+x@mail.example.co.uk, please":  "EMAIL_ADDRESS=ann.lee+x@mail.example.co.uk",
		"<bob@example.com>.":                             "EMAIL_ADDRESS=bob@example.com",
		"Card 4111 1111 1111 1111 and more":              "CREDIT_CARD=4111 1111 1111 1111",
		"Card 12 4111 1111 1111 1111 2024":               "CREDIT_CARD=4111 1111 1111 1111",
		"amex 378282246310005.":                          "CREDIT_CARD=378282246310005",
		"card-5555-5555-5555-4444":                       "CREDIT_CARD=5555-5555-5555-4444",
		"IBAN DE89 3704 0044 0532 0130 00.":              "IBAN_CODE=DE89 3704 0044 0532 0130 00",
		"GB82WEST12345698765432 is mine":                 "IBAN_CODE=GB82WEST12345698765432",
		"to GB82 WEST 1234 5698 7654 32 today":           "IBAN_CODE=GB82 WEST 1234 5698 7654 32",
		"ssn 536-22-1234":                                "US_SSN=536-22-1234",
		"itin 912-70-1234":                               "US_ITIN=912-70-1234",
		"bank account 123456789012":                      "US_BANK_NUMBER=123456789012",
		"My passport is 912803456":                       "US_PASSPORT=912803456",
		"NHS 943 476 5919":                               "UK_NHS=943 476 5919",
		"NINO AB 12 34 56 C":                             "UK_NINO=AB 12 34 56 C",
		"NINO AB123456C":                                 "UK_NINO=AB123456C",
		"DNI 12345678Z":                                  "ES_NIF=12345678Z",
		"NIE X1234567L":                                  "ES_NIE=X1234567L",
		"CF RSSMRA85T10A562S":                            "IT_FISCAL_CODE=RSSMRA85T10A562S",
		"IdNr 86095742719":                               "DE_TAX_ID=86095742719",
		"NIR 2 55 08 14 168 025 38":                      "FR_NIR=2 55 08 14 168 025 38",
		"PESEL 44051401359":                              "PL_PESEL=44051401359",
		"BSN 111222333":                                  "NL_BSN=111222333",
		"CPF 529.982.247-25":                             "BR_CPF=529.982.247-25",
		"PAN ABCPE1234F":                                 "IN_PAN=ABCPE1234F",
		"Aadhaar 2341 2341 2346":                         "IN_AADHAAR=2341 2341 2346",
		"NRIC S1234567D":                                 "SG_NRIC_FIN=S1234567D",
		"TFN 123 456 782":                                "AU_TFN=123 456 782",
		"ABN 51 824 753 556":                             "AU_ABN=51 824 753 556",
		"Medicare 2123 45670 1":                          "AU_MEDICARE=2123 45670 1",
		"SIN 130 692 544":                                "CA_SIN=130 692 544",
		"AHV 756.9217.0769.85":                           "CH_AHV=756.9217.0769.85",
		"personnummer 811228-9874":                       "SE_PERSONNUMMER=811228-9874",
		"HETU 131052-308T":                               "FI_PERSONAL_IDENTITY_CODE=131052-308T",
		"Ring +49 30 1234567 now":                        "PHONE_NUMBER=+49 30 1234567",
		"(415) 555-2671":                                 "PHONE_NUMBER=(415) 555-2671",
		"tel: 030 1234567":                               "PHONE_NUMBER=030 1234567",
		"from 192.168.10.1 on":                           "IP_ADDRESS=192.168.10.1",
		"at 2001:db8::8a2e:370:7334.":                    "IP_ADDRESS=2001:db8::8a2e:370:7334",
		"mac 00:1A:2b:3C:4d:5E":                          "MAC_ADDRESS=00:1A:2b:3C:4d:5E",
		"mac 00-1A-2B-3C-4D-5E":                          "MAC_ADDRESS=00-1A-2B-3C-4D-5E",
		"see https://example.com/a?b=1.":                 "URL=https://example.com/a?b=1",
		"btc 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2":         "CRYPTO=1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
		"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq":     "CRYPTO=bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
		"eth 0x52908400098527886E0F7030069857D2E4169EE7": "CRYPTO=0x52908400098527886E0F7030069857D2E4169EE7",
		"born 1985-12-10":                                "DATE_TIME=1985-12-10",
		"我的卡4111111111111111谢谢":                          "CREDIT_CARD=4111111111111111",
		"Mail: ünï@x ann@example.org":                    "EMAIL_ADDRESS=ann@example.org",
	} {
		if diff := cmp.Diff([]string{want}, kinds(s, text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

// clean has much that looks like something, and nothing that is.
var clean = []string{
	"The year 2024 saw 1,234,567 visitors, 12.5 % more than in 2023 (see p. 345-367).",
	"id 550e8400-e29b-41d4-a716-446655440000, sha 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	"ocid1.instance.oc1.phx.abyhqljtqsmx2fzbnyqw3q7zlvbpl3wc6ixjrgzq5bcfzvqkwbmk7v7qxj5a",
	"v1.22.3-rc.1 at 2024-01-15T12:30:45.123456Z took 12:30:45 and std::vector<a::b> x;",
	"for (int i = 0; i < 100000000; i++) sum += a[i] * 31415926;",
	"4111 1111 1111 1112 is no card, DE88370400440532013000 no account, 000-12-3456 no number",
	"user@localhost, @mention, a@b, x @ y, price @ 5.00",
	"https:// and http://x are none; 999.1.1.1 and 1.2.3 neither; 127.0.0.1 is this machine",
	"Order 100000000 units, 1234567890 rows, ISBN 978-3-16-148410-0.",
}

func TestEntities_clean(t *testing.T) {
	s := Must(Entities())
	for _, text := range clean {
		if got := kinds(s, text); got != nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestMaskingLeavesNothing(t *testing.T) {
	s := Must(append(Entities(), Secrets()...))
	if again := s.Scan(fuzzMasked(t, s, "a@b.example c@d.example,e@f.example 4111111111111111 4111 1111 1111 1111 +49 30 1234567 https://u:passw0rd1@h.example/ 192.168.1.10")); again != nil {
		t.Errorf("there is still %+v", again)
	}
}

// fuzzMasked masks a text, whose matches must stand in order and cut no character.
func fuzzMasked(t *testing.T, s *Scanner, text string) string {
	t.Helper()
	found := s.Scan(text)
	at := 0
	for _, m := range found {
		if m.Start < at || m.End <= m.Start || m.End > len(text) {
			t.Fatalf("%q: %+v after %d", text, m, at)
		}
		if utf8.ValidString(text) && !utf8.ValidString(text[m.Start:m.End]) {
			t.Fatalf("%q: %+v cuts a character", text, m)
		}
		at = m.End
	}
	return Replace(text, found, func(Match, string) string { return "[X]" })
}

func FuzzScan(f *testing.F) {
	s := Must(append(Entities(), Secrets()...))
	for _, text := range clean {
		f.Add(text)
	}
	f.Add("S1234567D AB 12 34 56 C (415) 555-2671 -----BEGIN RSA PRIVATE KEY-----")
	f.Fuzz(func(t *testing.T, text string) { fuzzMasked(t, s, text) })
}

var prose = strings.Repeat("It was the best of times, it was the worst of times; in 1775 the King's ministers, 12 of them, said to their clerks: write it down. The token of esteem was a secret to all (see chapter 3). ", 1000)

func BenchmarkScan(b *testing.B) {
	for name, rules := range map[string][]Rule{"entities": Entities(), "secrets": Secrets()} {
		b.Run(name, func(b *testing.B) {
			s := Must(rules)
			b.SetBytes(int64(len(prose)))
			for b.Loop() {
				s.Scan(prose)
			}
		})
	}
}
