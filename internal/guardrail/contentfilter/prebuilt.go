package contentfilter

import (
	"maps"
	"slices"

	"tollgate/internal/guardrail/detect"
)

// entities are the prebuilt patterns that are personal data, by the kind of their rules.
var entities = map[string]string{
	"us_ssn": "US_SSN", "us_itin": "US_ITIN", "us_passport": "US_PASSPORT", "email": "EMAIL_ADDRESS", "phone": "PHONE_NUMBER", "us_phone": "PHONE_NUMBER", "credit_card": "CREDIT_CARD", "iban": "IBAN_CODE",
	"ip_address": "IP_ADDRESS", "mac_address": "MAC_ADDRESS", "url": "URL", "crypto": "CRYPTO", "uk_nhs": "UK_NHS", "uk_nino": "UK_NINO", "es_nif": "ES_NIF", "es_nie": "ES_NIE",
	"it_fiscal_code": "IT_FISCAL_CODE", "de_tax_id": "DE_TAX_ID", "fr_nir": "FR_NIR", "pl_pesel": "PL_PESEL", "nl_bsn": "NL_BSN", "br_cpf": "BR_CPF", "in_pan": "IN_PAN",
	"in_aadhaar": "IN_AADHAAR", "sg_nric_fin": "SG_NRIC_FIN", "au_tfn": "AU_TFN", "au_abn": "AU_ABN", "au_medicare": "AU_MEDICARE", "ca_sin": "CA_SIN", "ch_ahv": "CH_AHV",
	"se_personnummer": "SE_PERSONNUMMER", "fi_personal_identity_code": "FI_PERSONAL_IDENTITY_CODE",
}

// networks are those of cards, which are prebuilt patterns of their own.
var networks = []string{"visa", "mastercard", "amex"}

// PrebuiltNames are the values of pattern_name.
func PrebuiltNames() []string {
	names := slices.Concat(slices.Collect(maps.Keys(entities)), networks, further(), detect.Kinds(detect.Secrets()))
	slices.Sort(names)
	return names
}

// Prebuilt are the rules of a pattern_name, nil where there is none of that name.
func Prebuilt(name string) []detect.Rule {
	if kind, ok := entities[name]; ok {
		return detect.Of(detect.Entities(), kind, name)
	}
	if slices.Contains(networks, name) {
		rules := detect.Of(detect.Entities(), "CREDIT_CARD", name)
		for i := range rules {
			rules[i].Check = func(number string) bool { return detect.Network(number) == name }
		}
		return rules
	}
	if rules := furtherRules(name); rules != nil {
		return rules
	}
	return detect.Of(detect.Secrets(), name, name)
}
