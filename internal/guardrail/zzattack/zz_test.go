package zzattack
import ("encoding/json";"testing";"strings";"time";"context";"fmt"
"tollgate/internal/content"
"tollgate/internal/guardrail"
"tollgate/internal/setting"
"tollgate/internal/guardrail/detect"
"tollgate/internal/guardrail/pii"
"tollgate/internal/guardrail/hidesecrets"
"tollgate/internal/guardrail/promptinjection"
"tollgate/internal/guardrail/language"
"tollgate/internal/guardrail/bannedkeywords"
"tollgate/internal/guardrail/contentfilter"
"tollgate/internal/guardrail/bounds"
)
func open(t *testing.T, o guardrail.Opener, v map[string]any) guardrail.Guardrail {
 m := setting.New("x", v, func(string) string {return ""})
 g,err := o(guardrail.Spec{Name:"x",Settings:m}); if err!=nil {t.Fatal(err)}
 return g
}
func TestTime(t *testing.T){
 gs := map[string]guardrail.Guardrail{
 "pii":open(t,pii.Open,nil),"pinj":open(t,promptinjection.Open,nil),"lang":open(t,language.Open,map[string]any{"allowed_languages":[]any{"en"}}),
 "banned":open(t,bannedkeywords.Open,map[string]any{"banned_keywords_list":[]any{"aaaa aaaab","foo bar"}}),
 "cf":open(t,contentfilter.Open,map[string]any{"blocked_words":[]any{map[string]any{"keyword":"secret project","action":"BLOCK"}}}),
 "hs":open(t,hidesecrets.Open,nil),"len":open(t,bounds.Open,map[string]any{"max_tokens":json.Number("1000000000")}),
 }
 unit := []string{"1","12 ","1-","1.","+1","(","@","a@","a@a.","a.","A","Ab3/","\"","\"a","\"a1b2c3d4e5f6g7h8i9j0","'","eyJ","eyJ-","eyJaaaaaaaaaaa.","eyJaaaaaaaaaaa.eyJ","eyJaaaaaaaaaaa.eyJaaaaaaaaaa.a","-----BEGIN ","-----BEGIN PRIVATE KEY-----","PuTTY-User-Key-File-","security_token=","pass_phrase:","bearer ","Bearer a","bearer aaaaaaaaaaaaaaaaa","://","://a:","http://","https://a","password=","password:a","aws","secret key","secret_","sk-","sk-ant-aa-","basic ",":","::","a:","1:","ffff:","0x","bc1","bc1q","ST$eyJ","ST$eyJaaaaaaaaaaaaa.","8Q~","-us",":AA",".atlasv1.","sqlplus ","jdbc:oracle:thin:","https://hooks.slack.com/","SK","ghp_","github_pat_","xox","xoxb-","ya29.","glc_","i ","i-","ignore ","\u200b","a\u200b","é","1\u00a0","AB 12 ","4111-1111-1111-1111-","DE89 3704 ","a' ","3","aGVsbG8gd29ybGQgZm9v ","9 9","tel 12 34 ","ocid1.","{\"a\":","[","$","phone ", "sin ", "AIza", "sntrys_eyJ","(1(","+("}
 for _,u := range unit {
  text := strings.Repeat(u, 400000/len(u))
  b := &content.Body{Texts: []content.Text{{Value:text,Role:"user"}}}
  for n,g := range gs {
   s := time.Now(); _,err := g.Check(context.Background(), &guardrail.Input{Phase:guardrail.PreCall,Content:b,Call:&guardrail.Call{}})
   if d:=time.Since(s); d>150*time.Millisecond {fmt.Printf("SLOW %-7s %q %v %v\n",n,u,d,err)}
  }
 }
}
func TestHits(t *testing.T){
 e := detect.Must(detect.Entities()); s := detect.Must(detect.Secrets())
 for _,x := range []string{"jane@example.com","jane\u200b@example.com","jane@exam\u200bple.com","jane＠example.com","jane @ example.com","jänе@example.com","ｊane@example.com","jane@müller.de","4111111111111111","4111 1111 1111 1111","4111  1111  1111  1111","4111.1111.1111.1111","4111\u00a01111\u00a01111\u00a01111","4111\u20111111\u20111111\u20111111","4111\u200b111111111111","４１１１１１１１１１１１１１１１","4111_1111_1111_1111","4111/1111/1111/1111","4111\n1111\n1111\n1111","card4111111111111111","4111111111111111x","x_4111111111111111_y","DE89370400440532013000","DE89 3704 0044 0532 0130 00","de89370400440532013000","DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000","078-05-1120","536-90-4399","536 90 4399","536\u201090\u20104399","+49 30 901820","+49\u00a030\u00a0901820","(415) 555-2671","415-555-2671","ocid1.instance.oc1.iad.anuwcljt2xyz4111111111111111","550e8400-e29b-41d4-a716-446655440000","d41d8cd98f00b204e9800998ecf8427e","{\"ts\":1700000000000,\"id\":4539148803436467}","build 2023.10.05.1234","v1.2.3.4","10.0.0.1","commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","sku 1234567890128","1700000000","12:34:56:78","a::b::c","std::vector::iterator::x::1","f(a:b:c:1)","time 12:30:45:00","2024-01-02 12:34:56.789012345","order 123-45-6789","isbn 978-3-16-148410-0","call me at 5551234","5105105105105100,4111111111111111"} {
  fmt.Printf("E %-70q",x); for _,m:=range e.Scan(x){fmt.Printf(" %s=%q",m.Kind,x[m.Start:m.End])}; fmt.Println()
 }
 k:="abcdefghij0123456789ABCDEFGHIJ0123456789"
 for _,x := range []string{"AKIAIOSFODNN7EXAMPLE","AKIA\u200bIOSFODNN7EXAMPLE","xAKIAIOSFODNN7EXAMPLE","key_AKIAIOSFODNN7EXAMPLE","ghp_"+k[:36],"sk-"+k,"sk-proj-"+strings.Repeat(k,6),"sk-this-is-a-long-css-class-name-2x","postgres://u:p4ssw0rd@h/db","postgres://u:p@ssw0rd@h/db","redis://:hunter22@h","password = \"hunter2hunter2\"","password: correct-horse-battery","token = os.environ['X1Y2Z3']","const token = getToken2(a)","Authorization: Bearer abc123ABC456def789","max_token=12345678","tokens: 128000","Authorization: Basic dXNlcjpwYXNzMTIz","https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX","-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----","-----BEGIN RSA PRIVATE KEY-----\n"+strings.Repeat("A",9000)+"\n-----END RSA PRIVATE KEY-----","-----begin rsa private key-----","eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U","eyJhbGciOiJIUzI1NiJ9.eyJ"+strings.Repeat("a",5000)+".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9","password:"+strings.Repeat("a1",200),"sk-"+strings.Repeat("a1",300),"SECRET_KEY: ${X}","api_key=abc","secret: 12ab34cd56ef"} {
  y:=x; if len(y)>90{y=y[:90]}
  fmt.Printf("S %-95q %d",y,len(x)); for _,m:=range s.Scan(x){fmt.Printf(" %s=%d..%d",m.Kind,m.Start,m.End)}; fmt.Println()
 }
}
