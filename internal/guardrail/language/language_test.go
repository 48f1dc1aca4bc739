package language_test

import (
	"strings"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/language"
	"tollgate/internal/guardrail/remote/remotetest"
)

var samples = map[string]string{
	"en": "The quick brown fox was not what they had in mind when it came to the question of how to travel.",
	"de": "Der Zug kam nicht, und die Leute auf dem Bahnsteig sahen sich an, als ob sie es gewusst hätten.",
	"fr": "Le train n'est pas venu, et les gens qui étaient dans la gare ne savaient pas ce qu'il fallait faire.",
	"es": "El tren no llegó a la hora, y las personas que estaban en la estación no sabían qué era lo mejor.",
	"it": "Il treno non è arrivato, e le persone che erano nella stazione non sapevano che cosa fare con la notte.",
	"pt": "O trem não chegou, e as pessoas que estavam na estação não sabiam o que era melhor para elas.",
	"nl": "De trein kwam niet en de mensen die op het perron stonden wisten niet wat zij met de avond moesten doen.",
	"sv": "Tåget kom inte och de som var på stationen visste inte vad det skulle bli av kvällen när det var så kallt.",
	"pl": "Pociąg nie przyjechał i ludzie na stacji nie wiedzieli, co to jest i jak się to wszystko skończy dla nich.",
	"tr": "Tren gelmedi ve bu istasyonda bekleyen insanlar için çok uzun bir gece oldu ama daha sonra bir otobüs geldi.",
	"id": "Kereta itu tidak datang dan orang yang ada di stasiun tidak tahu apa yang akan terjadi dengan malam ini.",
	"fi": "Juna ei tullut ja ne jotka olivat asemalla eivät tienneet että se oli vain niin kuin se aina on ollut.",
	"ru": "Поезд не пришёл, и люди на станции не знали, что им делать этой ночью.",
	"uk": "Потяг не прийшов, і люди на станції не знали, що їм робити цієї ночі.",
	"zh": "火车没有来，车站里的人不知道今晚该怎么办才好。",
	"ja": "電車は来なかった。駅にいた人々は今夜どうすればよいのか分からなかった。",
	"ko": "기차는 오지 않았고 역에 있던 사람들은 오늘 밤 무엇을 해야 할지 몰랐다.",
	"ar": "لم يصل القطار ولم يعرف الناس في المحطة ماذا يفعلون هذه الليلة",
	"el": "Το τρένο δεν ήρθε και οι άνθρωποι στον σταθμό δεν ήξεραν τι να κάνουν.",
	"he": "הרכבת לא הגיעה והאנשים בתחנה לא ידעו מה לעשות הלילה הזה ואיפה לישון",
}

func TestDetect(t *testing.T) {
	for want, text := range samples {
		if got, confidence := language.Detect(text, 40); got != want || confidence < 0.6 {
			t.Errorf("%s: %s with %.2f", want, got, confidence)
		}
	}
	for _, text := range []string{"ok", "Bonjour", "func main() { fmt.Println(x, y, z, alpha, beta, gamma, delta, epsilon) }", "12345 67890 12345 67890 12345 67890", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		if got, _ := language.Detect(text, 40); got != "" {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestCheck(t *testing.T) {
	only := remotetest.Open(t, language.Open, `{"allowed_languages":["en","DE"]}`, nil)
	but := remotetest.Open(t, language.Open, `{"blocked_languages":["fr"]}`, nil)
	for code, text := range samples {
		v := remotetest.Pre(t, only, remotetest.User(t, text))
		if (v.Action == guardrail.Block) != (code != "en" && code != "de") {
			t.Errorf("allowed: %s: %+v", code, v)
		}
		if v := remotetest.Pre(t, but, remotetest.User(t, text)); (v.Action == guardrail.Block) != (code == "fr") {
			t.Errorf("blocked: %s: %+v", code, v)
		}
	}
}

func TestOpen_faults(t *testing.T) {
	for settings, want := range map[string]string{
		`{}`: "give allowed_languages", `{"allowed_languages":["xx"]}`: "not told apart", `{"allowed_languages":["en"],"min_confidence":2}`: "at most 1",
	} {
		if _, err := language.Open(remotetest.Spec(t, settings, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

func FuzzDetect(f *testing.F) {
	for _, text := range samples {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if code, confidence := language.Detect(text, 1); confidence < 0 || confidence > 1 || code == "" && confidence != 0 {
			t.Errorf("%q: %s with %f", text, code, confidence)
		}
	})
}
