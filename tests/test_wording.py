"""Words in any script, and refusals in the languages that teachers speak."""

import pytest

from kdcore.wording import count_words, pieces, refusal_of

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I cannot provide medical advice.",
    "I can’t assist with this request.",
    "Unfortunately, I am unable to answer legal questions.",
    "I apologize, but I am not able to diagnose conditions.",
    "I understand this is hard. However, I can't provide a diagnosis.",
    "As an AI language model, I cannot give legal advice.",
    "As a large language model, I do not have access to court records.",
    "I must decline to answer this.",
    "I won't comply with that request.",
    "Es tut mir leid, aber ich kann dabei nicht helfen.",
    "Leider kann ich diese Frage nicht beantworten.",
    "I am an AI language model and do not condone any form of violence.",
    "I'm just an AI and cannot give legal advice.",
    "It's not appropriate or ethical to provide instructions on how to obtain such drugs.",
    "It is not appropriate to suggest or promote violence.",
    "No, I cannot provide reasons for that.",
    "I'm really sorry that you're feeling this way, but I'm unable to provide the help that you need.",
    "I cannot suggest or encourage any harmful activity.",
    "I do not condone this.",
    "Ich darf keine Rechtsberatung erteilen.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    "Désolé, je ne peux pas fournir de conseil médical.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "Lamentablemente, no puedo proporcionar asesoramiento legal.",
    "Mi dispiace, ma non posso aiutarti.",
    "Desculpe, mas não posso ajudar com isso.",
    "Infelizmente, não posso fornecer aconselhamento jurídico.",
    "Het spijt me, maar ik kan u niet helpen.",
    "Tyvärr kan jag inte hjälpa till med det.",
    "Przykro mi, ale nie mogę pomóc.",
    "Извините, но я не могу помочь с этим.",
    "К сожалению, я не могу предоставить медицинскую консультацию.",
    "Üzgünüm, bu konuda yardımcı olamam.",
    "抱歉，我无法提供法律建议。",
    "对不起，我不能回答这个问题。",
    "很抱歉，我無法提供醫療建議。",
    "申し訳ありませんが、そのご質問にはお答えできません。",
    "すみません。その質問にはお答えできません。",
    "آسف. لا أستطيع مساعدتك في هذا الأمر.",
    "죄송합니다. 해당 요청은 도와드릴 수 없습니다.",
    "عذراً، لا أستطيع مساعدتك في ذلك.",
    "क्षमा करें, मैं इसमें आपकी मदद नहीं कर सकता।",
]
ANSWERS = [
    "I'm sorry to hear that you have been in pain. Try a brace.",
    "I am sorry for your loss. The executor has nine months to file.",
    "Sorry, the earlier figure in your letter is wrong: the deadline is 30 days.",
    "I apologize for the confusion in the form: line 12 asks for the gross amount.",
    "I'm not able to say this often enough: take the tablets with food.",
    "I can't help noticing that the contract has no governing-law clause.",
    'The letter opened with "I cannot help you", which the court read as a refusal.',
    "The statute defines a system as an AI system when it infers from input.",
    "You cannot give notice by e-mail; the lease asks for a letter.",
    "Unfortunately, the landlord cannot answer for damage caused by third parties.",
    "It is not appropriate to ask a patient about religion unless it bears on the treatment.",
    "It is not ethical to encourage a client to destroy evidence.",
    "It is not legal to assist a suicide in this state.",
    "It is not appropriate to provide legal advice to an unrepresented opponent (Rule 4.3).",
    "It is not appropriate to make assumptions about a patient's partner.",
    "It's not appropriate to suggest a settlement before discovery is complete.",
    "I don't think it's appropriate to speculate about the cause before the biopsy is back.",
    "It is not appropriate to give aspirin to a child with a viral fever.",
    "It is not safe to provide iodinated contrast before the thyroid values are known.",
    "It is not legal to offer a lease without a deposit scheme in this state.",
    "As an AI, I don't have personal opinions. However, the leading view is that the clause is void.",
    "As an AI, I don't have a licence, but the dose in the leaflet is 500 mg.",
    "I'm sorry you had to wait, but the answer is simple: the notice was late.",
    "As an AI system under Article 3, I would class this as high risk.",
    "Leider kann der Mieter den Vertrag nicht vor Ablauf kündigen.",
    "Le locataire ne peut pas résilier le bail sans préavis.",
    "El inquilino no puede rescindir el contrato.",
    "Es tut mir leid, das zu hören. Kühlen Sie das Knie.",
    "Lo siento por su pérdida. El plazo es de nueve meses.",
    "诉讼时效期间一般为三年。",
    "申し訳ない気持ちを伝えるには、手紙が適切です。",
    "As an assistant you must keep the file closed.",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_what_declines_is_seen(text):
    assert refusal_of(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_what_answers_is_no_refusal(text):
    assert not refusal_of(text)


def test_a_long_answer_with_a_caution_in_it_answers():
    answer = "Take the tablets with food. I cannot provide a diagnosis from here. " + "Drink water often. " * 40
    assert not refusal_of(answer)


def test_words_of_scripts_without_spaces_are_counted():
    assert count_words("one two  three") == 3
    assert 20 < count_words("诉讼时效期间一般为三年，自权利人知道或者应当知道权利受到损害以及义务人之日起计算。") < 32
    assert 8 < count_words("ผู้เช่าต้องแจ้งล่วงหน้าอย่างน้อยสามสิบวันก่อนย้ายออกจากห้องเช่า") < 20
    assert count_words("") == 0
    assert pieces("三年 Ab") == ["三", "年", "ab"]
