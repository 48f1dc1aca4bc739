package language

import (
	"strings"
	"unicode"
)

// scripts are those that one language is mostly meant by.
var scripts = []struct {
	table *unicode.RangeTable
	code  string
}{
	{unicode.Cyrillic, "ru"}, {unicode.Han, "zh"}, {unicode.Hiragana, "ja"}, {unicode.Katakana, "ja"}, {unicode.Hangul, "ko"}, {unicode.Arabic, "ar"},
	{unicode.Hebrew, "he"}, {unicode.Greek, "el"}, {unicode.Thai, "th"}, {unicode.Devanagari, "hi"},
}

// common are the commonest words of languages in Latin letters, and "uk", which is told from Russian by its letters.
var common = map[string]string{
	"en": "the of and to in is that it for was on are with as his they be at have this from or had by not but what all were we when your can said there an each which do their if will other about out many then them these so some her would make like him has could",
	"de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr durch man ich wir kann wenn",
	"fr": "le de un à être et en avoir que pour dans ce il qui ne sur se pas plus par je avec tout faire son mettre autre on mais nous comme ou si leur y dire elle devoir la les des du est une au aux cette sont été vous c'est d'une qu'il ces sans",
	"es": "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si sin sobre este ya entre cuando todo esta ser son dos también fue había era muy años hasta desde está mi porque qué sólo han yo hay vez puede",
	"it": "di e che la il un a per è in una sono mi ho non ti lo ma ha con le si cosa se da come al no ci questo qui hai sei del bene tu era della nel anche più alla gli dei delle io perché quando molto essere tutto ancora fare loro così",
	"pt": "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos ter seus você são",
	"nl": "de en van ik te dat die in een hij het niet zijn is was op aan met als voor had er maar om hem dan zou of wat mijn men dit zo door over ze zich bij ook tot je mij uit der daar haar naar heb hoe heeft hebben deze u want nog zal worden",
	"sv": "och i att det som en på är av för med den till inte har om ett han var jag men sig så från vi kan när nu de hon mycket skulle efter här också eller ut vid år där ska alla mot två under mig över man vara hade sin kommer",
	"da": "og i at det er en til af den på med som der for ikke de et har jeg han var men sig så fra vi kan når nu hun meget skulle efter her også eller ud ved år hvor skal alle mod to under mig over man være havde sin kommer blev",
	"pl": "i w nie na się że z do to jest jak o co po ale za od już go tak jego przez czy tylko był dla ich tym jej są być ma było być może które który która oraz jeszcze przy gdy ze bardzo nas wszystko kiedy pod mnie",
	"cs": "a se v na je že s z do o to i jako za by ve po pro jsem ale jsou jeho tak k od který bylo byl podle nebo při už než aby být může také což jen jak má však která které ještě jejich jí není před",
	"tr": "ve bir bu da de için ile çok ne gibi daha o en var ama sonra olarak kadar olan ben her şey değil mi ki diye iki zaman ya şu bunu onu göre hiç sen yok oldu nasıl bana büyük biz ancak",
	"id": "yang dan di dari untuk dengan ini itu pada adalah tidak dalam akan ke juga saya ada bisa oleh sebagai mereka lebih telah atau karena kami kita seperti sudah dapat anda hanya satu orang saat bagi",
	"ro": "și de a în la cu pe nu o un că este mai din pentru se care au fost sunt ce sau ca dar după această acest lui ei prin foarte când fi cum dacă avea îi până ale unei",
	"fi": "ja on ei se että hän oli joka mutta ovat kuin niin mitä kun ole myös minä vain nyt jos sen tai voi siitä olla hänen sitä kaikki mukaan jälkeen vielä sekä ne tämä jo ollut",
	"hu": "a az és hogy nem is egy van meg ez de csak ha már mint volt azt el még vagy én le mert ki be lehet fel itt mi ön minden ezt kell így aki nagy után majd sem neki",
	"uk": "",
}

// owners are the languages of a word.
var owners = func() map[string][]string {
	found := map[string][]string{}
	for code, list := range common {
		seen := map[string]bool{}
		for word := range strings.FieldsSeq(list) {
			if !seen[word] {
				seen[word] = true
				found[word] = append(found[word], code)
			}
		}
	}
	return found
}()
