"""Words in any script, and answers that decline to answer, in the languages that teachers speak."""

from __future__ import annotations

import re

# ---- words ----------------------------------------------------------------------------------------------------
_HAN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")  # and kana
_RUNNING = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")  # Thai, Lao, Burmese, Khmer: no spaces either
HAN_PER_WORD = 1.6
RUNNING_PER_WORD = 4.5


def count_words(text: str) -> int:
    """Words of a text; in scripts without spaces as many as their letters make on average."""
    han, running = len(_HAN.findall(text)), len(_RUNNING.findall(text))
    spaced = len(_RUNNING.sub(" ", _HAN.sub(" ", text)).split()) if han or running else len(text.split())
    signs = sum(not re.search(r"\w", word) for word in _RUNNING.sub(" ", _HAN.sub(" ", text)).split())
    return spaced - (signs if han or running else 0) + round(han / HAN_PER_WORD + running / RUNNING_PER_WORD)


def pieces(text: str) -> list[str]:
    """What a text is made of for comparing runs: its words; the letters of scripts without spaces one by one."""
    spread = _RUNNING.sub(lambda m: f" {m[0]} ", _HAN.sub(lambda m: f" {m[0]} ", text.lower()))
    return spread.split()


# ---- refusals -------------------------------------------------------------------------------------------------
_HELP = (
    r"(?:help|assist|provide|answer|give|offer|comply|fulfil|fulfill|discuss|comment|share|do (?:that|this)|engage|support"
    r"|continue|generate|create|write|produce|advise|recommend|diagnose|speculate|respond|participate|carry out|suggest|encourage|satisfy|condone|promote)"
)
_NO = (
    r"(?:i (?:really |simply |just )?(?:can(?:no|['’])t|can not|won['’]t|will not|must decline|have to decline|am unable"
    r"|am not (?:able|allowed|permitted|comfortable|qualified|in a position)|do not feel comfortable|don['’]t feel comfortable)"
    r"|i['’]m (?:unable|not (?:able|allowed|permitted|comfortable|qualified|in a position)))"
)
_AI = (
    r"(?:as|i am|i['’]m)(?: just| only| simply)? an? (?:[\w-]+ ){0,3}?(?:ai\b|artificial intelligence|language model|llm\b|chatbot|assistant)"
    r"[^.]{0,60}?(?:\bi(?:['’]m| am)?|\band) (?:do not|don['’]t|can(?:no|['’])t|can not|am not|am unable|unable|not able|have no|lack|will not"
    r"|won['’]t|must (?:\w+ly )?(?:decline|refuse|refrain))"
    # … that says what it is and then answers
    r"(?! (?:have|hold)[^.]{0,60}?(?:[,.;] (?:but|however|though|that said)|\. (?:but|however|that said|there))\b)"
)
# "it is not appropriate or ethical to provide instructions on how to …", "… to suggest or promote …": how models speak.
# One verb alone is what lawyers and clinicians answer ("it is not ethical to encourage a client to lie").
_WRONG = (
    r"(?:it(?:['’]s| is| would be) (?:not|never|neither) |it(?:['’]s| is) (?:highly |deeply |completely )?(?:in|un)|i (?:do not|don['’]t) (?:think|believe)"
    r" (?:it(?:['’]s| is| would be) |that )+)(?:appropriate|ethical|acceptable|okay|right|legal|safe)(?:,? (?:or|nor|and) \w+)*(?: for me)? to"
    r" (?:\w+ly )?(?:(?:provide|give|offer|share|ask for|seek)(?: \w+){0,3}? (?:information|advice|instructions|guidance|suggestions|tips|details)"
    r"[^.]{0,40}?(?:\bhow to\b|\b(?:illegal|harmful|dangerous|violen|unethical))"
    r"|(?:suggest|promote|encourage|advocate|endorse|condone|glorify|discuss|engage in) or"
    r" (?:suggest|promote|encourage|advocate|endorse|condone|glorify|discuss|engage|provide|support)\b)"
)
_CONDONE = r"i (?:do not|don['’]t|can(?:no|['’])t|can not) (?:and will not )?(?:condone|promote|endorse|encourage|advocate|support (?:or|violence|harm))"
# how a refusal may open before it says no; an apology alone is none ("I'm sorry to hear …")
_LEAD = (
    r"(?:(?:unfortunately|regrettably|sorry|i['’]m (?:very |so )?sorry|i am (?:very |so )?sorry|(?:my )?apologies"
    r"|i apologi[sz]e|i understand|thank you|however|but|that said|for the inconvenience|no)\b[\s,.;:!–—-]*)*"
    r"(?:i(?:['’]m| am) (?:\w+ )?sorry (?:that|to hear|if|you)[^.!?]{0,80}?\bbut )?"
)
_PATTERNS = (
    rf"{_LEAD}(?:{_NO}\W+(?:to |with |in )?(?:\w+ly )?{_HELP}(?! (?:noticing|wondering|thinking|but|feeling|smiling))\b|{_AI}|{_WRONG}|{_CONDONE})",
    rf"{_LEAD}i (?:must|have to|need to) (?:respectfully )?(?:decline|refuse)\b",
    # German
    r"(?:(?:es tut mir|tut mir) (?:sehr )?leid|entschuldigung|leider|bedauerlicherweise)?[\s,.]*(?:aber )?"
    r"(?:ich (?:kann|darf|werde|möchte)|(?:kann|darf) ich)\b[^.!?]{0,80}\b(?:nicht|kein\w*)\b[^.!?]{0,80}"
    r"(?:helfen|beantworten|geben|beraten|unterstützen|bereitstellen|anbieten|beurteilen|weiterhelfen|erteilen|dienen)",
    r"als (?:ki|ai|sprachmodell|künstliche intelligenz|ki-\w+)\b[^.!?]{0,40}\b(?:kann|darf|bin|habe)\b[^.!?]{0,20}\bich\b",
    # French
    r"(?:je suis |)(?:désolée?|navrée?|malheureusement|je regrette)?[\s,.]*(?:mais )?je ne (?:peux|puis|suis pas|pourrai)\b"
    r"[^.!?]{0,60}(?:aider|répondre|fournir|donner|conseiller|assister|offrir)",
    r"en tant qu['’e ]?\s?(?:ia|intelligence artificielle|modèle de langage|assistant)[^.!?]{0,40}je ne",
    # Spanish
    r"(?:lo siento|lamento|desafortunadamente|lamentablemente|disculp[ae]|perdón)?[\s,.]*(?:pero )?no (?:puedo|me es posible"
    r"|estoy (?:autorizad|capacitad|en condiciones))[^.!?]{0,60}(?:ayud|proporcion|respond|ofrec|\bdar|brind|asist)",
    r"como (?:modelo de lenguaje|ia\b|inteligencia artificial|asistente)[^.!?]{0,40}\bno (?:puedo|tengo)",
    # Italian
    r"(?:mi dispiace|purtroppo|spiacente|scusa)?[\s,.]*(?:ma )?non (?:posso|sono in grado)[^.!?]{0,60}"
    r"(?:aiut|fornir|rispond|\bdar|offrir|assist)",
    r"come (?:modello linguistico|ia\b|intelligenza artificiale|assistente)[^.!?]{0,40}\bnon (?:posso|ho|sono)",
    # Portuguese
    r"(?:desculpe|sinto muito|lamento|infelizmente)?[\s,.]*(?:mas )?(?:eu )?não (?:posso|consigo|estou autorizad|sou capaz)"
    r"[^.!?]{0,60}(?:ajud|fornec|respond|\bdar|oferec|prest)",
    r"como (?:um |uma )?(?:modelo de linguagem|ia\b|inteligência artificial)[^.!?]{0,40}\bnão",
    # Dutch, Swedish, Danish, Norwegian
    r"(?:het spijt me|sorry|helaas)?[\s,.]*(?:maar )?(?:ik kan|kan ik)\b[^.!?]{0,60}\b(?:niet|geen)\b[^.!?]{0,60}"
    r"(?:helpen|geven|beantwoorden|bieden|verstrekken|adviseren)",
    r"(?:tyvärr|jag är ledsen|förlåt|desværre|beklager|jeg beklager)?[\s,.]*(?:men )?(?:(?:jag|jeg) kan|kan (?:jag|jeg)) "
    r"(?:inte|ikke)\b[^.!?]{0,60}(?:hjälpa|hjælpe|hjelpe|ge\b|gi\b|give|svara|svare|erbjuda|tillhandahålla)",
    # Polish, Russian, Ukrainian, Turkish
    r"(?:przykro mi|niestety|przepraszam)?[\s,.]*(?:ale )?nie (?:mogę|jestem w stanie)[^.!?]{0,60}"
    r"(?:pomóc|udzielić|odpowiedzieć|podać|zapewnić|doradz)",
    r"(?:извините|к сожалению|простите|мне жаль|на жаль|вибачте)?[\s,.]*(?:но |але )?(?:я )?не (?:могу|можу|в состоянии|имею)"
    r"[^.!?]{0,60}(?:помочь|допомогти|ответить|відповісти|предоставить|надати|дать|консультир)",
    r"(?:как|як) (?:языковая модель|мовна модель|ии\b|искусственный интеллект)",
    r"(?:üzgünüm|maalesef|özür dilerim)[^.!?]{0,120}(?:olamam|veremem|cevaplayamam|yanıtlayamam|sağlayamam|yapamam)",
    # Chinese, Japanese, Korean
    r"(?:很|非常)?(?:抱歉|对不起|對不起|遗憾|遺憾|不好意思)[，,。!！]?.{0,24}?(?:无法|無法|不能|没办法|不便).{0,24}?"
    r"(?:提供|回答|帮|幫|协助|協助|回复|回覆|给出|給出|讨论|討論|满足|滿足)",
    r"作为(?:一个|一款|一名)?.{0,10}?(?:人工智能|AI|语言模型|助手).{0,30}?(?:无法|不能)",
    r"我(?:无法|無法|不能)(?:提供|回答|帮助|幫助|协助|協助)",
    r"(?:大変)?(?:申し訳(?:あり|ござい)ません|すみません|残念ながら|恐れ入ります)[^。]{0,60}"
    r"(?:できません|できかねます|いたしかねます|お答えでき|控え)",
    r"(?:죄송합니다|죄송하지만|미안하지만|유감스럽게도|안타깝게도)[^.]{0,80}(?:수 없|드릴 수|어렵습니다|불가)",
    r"[^.!?]{0,60}(?:도와\s?드릴|제공할|제공해 드릴|답변할|답변드릴|알려드릴|응답할) 수 (?:없|가 없)",
    r"[^。]{0,20}(?:お答え|ご対応|対応|お手伝い)(?:することは)?(?:できません|できかねます)",
    r"[^.!?]{0,80}(?:yardımcı olamam|bilgi veremem|yanıtlayamam|cevaplayamam)",
    # Arabic, Hindi
    r"لا (?:أستطيع|يمكنني) (?:مساعدت|تقديم|الإجابة|توفير|إعطاء)",
    r"(?:عذر[اًا]*|آسف|أعتذر|للأسف)[^.؟!]{0,60}(?:لا أستطيع|لا يمكنني|لست قادر|غير قادر|لا أقدر)",
    r"(?:क्षमा|माफ़|माफ|खेद)[^।]{0,80}(?:नहीं|असमर्थ)",
)
_REFUSALS = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.IGNORECASE | re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s*")
OPENING = 3  # sentences in which a refusal stands
LATER_WORDS = 90  # an answer of more words that says no after its first sentence answers something


def refusal_of(text: str) -> str:
    """The words with which an answer declines; "" where it does not. Only its opening is read."""
    body = text.strip().lstrip("\"'“”«»*_#> \n")
    start = 0
    for number, sentence in enumerate(_SENTENCE.split(body[:1200])[:OPENING]):
        if number and count_words(body) > LATER_WORDS:
            return ""
        if found := _REFUSALS.match(body[start:].lstrip() if not number else sentence.lstrip("\"'“”«» ")):
            return found[0].strip()[:120]
        start += len(sentence)
    return ""
