package detect

import (
	"crypto/sha256"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// digitsOf are the digits of a text; other characters are left out.
func digitsOf(s string) []int {
	out := make([]int, 0, len(s))
	for i := range len(s) {
		if isDigit(s[i]) {
			out = append(out, int(s[i]-'0'))
		}
	}
	return out
}

// same reports whether all digits are equal: nobody's number.
func same(d []int) bool {
	for _, n := range d {
		if n != d[0] {
			return false
		}
	}
	return true
}

// Luhn checks payment cards and some national numbers (ISO/IEC 7812-1).
func Luhn(s string) bool {
	d := digitsOf(s)
	if len(d) < 2 || same(d) {
		return false
	}
	sum := 0
	for i, n := range d {
		if (len(d)-i)%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}

func card(s string) bool { n := len(digitsOf(s)); return n >= 12 && n <= 19 && Luhn(s) }

// weighted is the sum of digits, each times its weight.
func weighted(d []int, weights ...int) int {
	sum := 0
	for i, w := range weights {
		sum += d[i] * w
	}
	return sum
}

// mod97 reads a number of any length, letters as 10 to 35 (ISO 7064).
func mod97(s string) int {
	rest := 0
	for _, c := range strings.ToUpper(s) {
		switch {
		case c >= '0' && c <= '9':
			rest = (rest*10 + int(c-'0')) % 97
		case c >= 'A' && c <= 'Z':
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest
}

// ibanLengths are those of the countries of the registry (ISO 13616).
var ibanLengths = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22,
	"DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28,
	"IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24,
	"ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31,
	"SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}

// iban checks an account number.
func iban(s string) bool {
	s = strings.NewReplacer(" ", "", "-", "").Replace(s)
	return len(s) > 4 && ibanLengths[strings.ToUpper(s[:2])] == len(s) && mod97(s[4:]+s[:4]) == 1
}

func usSSN(s string) bool {
	d := digitsOf(s)
	if len(d) != 9 || same(d) {
		return false
	}
	area := d[0]*100 + d[1]*10 + d[2]
	return area != 0 && area != 666 && area < 900 && d[3]+d[4] > 0 && d[5]+d[6]+d[7]+d[8] > 0
}

func usITIN(s string) bool {
	d := digitsOf(s)
	if len(d) != 9 || d[0] != 9 {
		return false
	}
	group := d[3]*10 + d[4]
	return group >= 50 && group <= 65 || group >= 70 && group <= 88 || group >= 90 && group <= 92 || group >= 94
}

func ukNHS(s string) bool {
	d := digitsOf(s)
	if len(d) != 10 || same(d) {
		return false
	}
	check := (11 - weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11) % 11
	return check != 10 && check == d[9]
}

func ukNINO(s string) bool {
	s = strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	if len(s) != 9 {
		return false
	}
	for _, bad := range [...]string{"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"} {
		if s[:2] == bad {
			return false
		}
	}
	return !strings.ContainsAny(s[:1], "DFIQUV") && !strings.ContainsAny(s[1:2], "DFIOQUV")
}

const dniLetters = "TRWAGMYFPDXBNJZSQVHLCKE"

func esNIF(s string) bool {
	s = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(s))
	if len(s) != 9 {
		return false
	}
	n, err := strconv.Atoi(s[:8])
	return err == nil && dniLetters[n%23] == s[8]
}

func esNIE(s string) bool {
	s = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(s))
	return len(s) == 9 && esNIF(strconv.Itoa(strings.IndexByte("XYZ", s[0]))+s[1:])
}

// itFiscal checks the last letter of a codice fiscale.
func itFiscal(s string) bool {
	s = strings.ToUpper(s)
	odd := [...]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23}
	sum := 0
	for i := range 15 {
		c := int(s[i])
		if c >= '0' && c <= '9' {
			c -= '0'
		} else {
			c -= 'A'
		}
		if i%2 == 0 {
			sum += odd[c]
		} else {
			sum += c
		}
	}
	return int(s[15]-'A') == sum%26
}

// iso7064 is the check of MOD 11,10, which German tax numbers carry.
func iso7064(d []int) bool {
	product := 10
	for _, n := range d[:len(d)-1] {
		sum := (n + product) % 10
		if sum == 0 {
			sum = 10
		}
		product = sum * 2 % 11
	}
	return (11-product)%10 == d[len(d)-1]
}

func deTaxID(s string) bool {
	d := digitsOf(s)
	if len(d) != 11 || d[0] == 0 {
		return false
	}
	var times [10]int
	for _, n := range d[:10] {
		times[n]++
	}
	repeated := 0
	for _, n := range times {
		if n > 3 {
			return false
		}
		if n > 1 {
			repeated++
		}
	}
	return repeated == 1 && iso7064(d)
}

func frNIR(s string) bool {
	s = strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	if len(s) != 15 {
		return false
	}
	body := strings.NewReplacer("2A", "19", "2B", "18").Replace(s[:13])
	n, err := strconv.ParseInt(body, 10, 64)
	key, err2 := strconv.ParseInt(s[13:], 10, 64)
	return err == nil && err2 == nil && 97-n%97 == key
}

func plPESEL(s string) bool {
	d := digitsOf(s)
	if len(d) != 11 || same(d) {
		return false
	}
	month := (d[2]*10 + d[3]) % 20
	return (10-weighted(d, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3)%10)%10 == d[10] && day(d[4]*10+d[5]) && month >= 1 && month <= 12
}

func day(n int) bool { return n >= 1 && n <= 31 }

func nlBSN(s string) bool {
	d := digitsOf(s)
	return len(d) == 9 && !same(d) && (weighted(d, 9, 8, 7, 6, 5, 4, 3, 2)-d[8])%11 == 0
}

func brCPF(s string) bool {
	d := digitsOf(s)
	if len(d) != 11 || same(d) {
		return false
	}
	first := weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2) * 10 % 11 % 10
	second := weighted(d, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2) * 10 % 11 % 10
	return first == d[9] && second == d[10]
}

// Verhoeff's tables, by which Aadhaar numbers are checked.
var (
	dihedral = [10][10]int{
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 4, 0, 6, 7, 8, 9, 5}, {2, 3, 4, 0, 1, 7, 8, 9, 5, 6}, {3, 4, 0, 1, 2, 8, 9, 5, 6, 7}, {4, 0, 1, 2, 3, 9, 5, 6, 7, 8},
		{5, 9, 8, 7, 6, 0, 4, 3, 2, 1}, {6, 5, 9, 8, 7, 1, 0, 4, 3, 2}, {7, 6, 5, 9, 8, 2, 1, 0, 4, 3}, {8, 7, 6, 5, 9, 3, 2, 1, 0, 4}, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
	}
	permuted = [8][10]int{
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 5, 7, 6, 2, 8, 3, 0, 9, 4}, {5, 8, 0, 3, 7, 9, 6, 1, 4, 2}, {8, 9, 1, 6, 0, 4, 3, 5, 2, 7}, {9, 4, 5, 3, 1, 2, 6, 8, 7, 0},
		{4, 2, 8, 6, 5, 7, 3, 9, 0, 1}, {2, 7, 9, 3, 8, 0, 6, 4, 1, 5}, {7, 0, 4, 6, 9, 1, 3, 2, 5, 8},
	}
)

func inAadhaar(s string) bool {
	d := digitsOf(s)
	if len(d) != 12 || d[0] < 2 || same(d) {
		return false
	}
	c := 0
	for i := range d {
		c = dihedral[c][permuted[i%8][d[len(d)-1-i]]]
	}
	return c == 0
}

func sgNRIC(s string) bool {
	s = strings.ToUpper(s)
	d := digitsOf(s)
	if len(d) != 7 {
		return false
	}
	sum := weighted(d, 2, 7, 6, 5, 4, 3, 2)
	if s[0] == 'T' || s[0] == 'G' {
		sum += 4
	}
	letters := "JZIHGFEDCBA"
	if s[0] == 'F' || s[0] == 'G' {
		letters = "XWUTRQPNMLK"
	}
	return letters[sum%11] == s[8]
}

func auTFN(s string) bool {
	d := digitsOf(s)
	return len(d) == 9 && !same(d) && weighted(d, 1, 4, 3, 7, 5, 8, 6, 9, 10)%11 == 0
}

func auABN(s string) bool {
	d := digitsOf(s)
	if len(d) != 11 || d[0] == 0 {
		return false
	}
	d[0]--
	return weighted(d, 10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)%89 == 0
}

func auMedicare(s string) bool {
	d := digitsOf(s)
	return len(d) == 10 && d[0] >= 2 && d[0] <= 6 && weighted(d, 1, 3, 7, 9, 1, 3, 7, 9)%10 == d[8]
}

// chAHV checks a Swiss insurance number: a bar code's last digit.
func chAHV(s string) bool {
	d := digitsOf(s)
	return len(d) == 13 && (10-weighted(d, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3)%10)%10 == d[12]
}

func sePersonal(s string) bool {
	d := digitsOf(s)
	if len(d) == 12 {
		d = d[2:]
	}
	if len(d) != 10 {
		return false
	}
	month, dayOf := d[2]*10+d[3], d[4]*10+d[5]
	if dayOf > 60 { // of somebody without a civic registration
		dayOf -= 60
	}
	digits := make([]byte, len(d))
	for i, n := range d {
		digits[i] = byte('0' + n)
	}
	return month >= 1 && month <= 12 && day(dayOf) && Luhn(string(digits))
}

func fiPersonal(s string) bool {
	s = strings.ToUpper(s)
	n, err := strconv.Atoi(s[:6] + s[7:10])
	return err == nil && "0123456789ABCDEFHJKLMNPRSTUVWXY"[n%31] == s[10]
}

// phone checks an international number: as many digits as countries have.
func phone(s string) bool {
	d := digitsOf(s)
	return len(d) >= 8 && len(d) <= 15 && !same(d[1:])
}

// nanp checks a number of North America, in the form that people write it.
func nanp(s string) bool {
	d := digitsOf(s)
	if len(d) == 11 && d[0] == 1 {
		d = d[1:]
	}
	return len(d) == 10 && d[0] >= 2 && d[3] >= 2 && !same(d)
}

// phoneNear checks what a word says to be a number: more digits than a year has.
func phoneNear(s string) bool { n := len(digitsOf(s)); return n >= 7 && n <= 15 }

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58Check checks an address of Bitcoin's older kinds.
func base58Check(s string) bool {
	n := new(big.Int)
	for i := range len(s) {
		v := strings.IndexByte(base58, s[i])
		if v < 0 {
			return false
		}
		n.Add(n.Mul(n, big.NewInt(58)), big.NewInt(int64(v)))
	}
	raw := n.Bytes()
	if len(raw) > 25 {
		return false
	}
	raw = append(make([]byte, 25-len(raw)), raw...)
	first := sha256.Sum256(raw[:21])
	second := sha256.Sum256(first[:])
	return string(second[:4]) == string(raw[21:])
}

// bech32 checks an address of Bitcoin's newer kinds (BIP 173 and 350).
func bech32(s string) bool {
	const charset = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	prefix, data, ok := strings.Cut(strings.ToLower(s), "1")
	if !ok || len(data) < 6 {
		return false
	}
	polymod := uint32(1)
	add := func(v uint32) {
		top := polymod >> 25
		polymod = (polymod&0x1ffffff)<<5 ^ v
		for i, g := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				polymod ^= g
			}
		}
	}
	for i := range len(prefix) {
		add(uint32(prefix[i] >> 5))
	}
	add(0)
	for i := range len(prefix) {
		add(uint32(prefix[i] & 31))
	}
	for i := range len(data) {
		v := strings.IndexByte(charset, data[i])
		if v < 0 {
			return false
		}
		add(uint32(v))
	}
	return polymod == 1 || polymod == 0x2bc830a3
}

// ipv4 checks an address; those of the machine itself tell nobody anything.
func ipv4(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if n, err := strconv.Atoi(part); err != nil || n > 255 || len(part) > 1 && part[0] == '0' {
			return false
		}
	}
	return s != "0.0.0.0" && !strings.HasPrefix(s, "127.") && s != "255.255.255.255"
}

// date checks a day as people write it.
func date(s string) bool {
	for _, form := range [...]string{"2006-01-02", "02.01.2006", "02/01/2006", "01/02/2006", "2.1.2006", "2/1/2006", "1/2/2006"} {
		if _, err := time.Parse(form, s); err == nil {
			return true
		}
	}
	return false
}
