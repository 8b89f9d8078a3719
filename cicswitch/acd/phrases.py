"""What `explain` says, in English and Korean.

A phrase is known by its English template. Words for states, media and rules are phrases, too.
"""

from __future__ import annotations

__all__ = ["KOREAN", "LANGUAGES", "Say"]

LANGUAGES = ("en", "ko")

ENGLISH = {
    # Codes of rules; words without a line say themselves.
    "not-of-this-queue": "not of this queue",
    "waits-for-others": "waits for others",
    "not-signed-in": "not signed in",
    "signs-out": "signs out",
    "not-responding": "not responding",
    "own-call": "in a call of his own",
    "rests": "rests after an offer that failed",
    "no-capacity": "takes none of its medium",
    "looked-at": "looked at",
    "refused": "has refused it",
}

KOREAN = {
    # Interactions and what they ask for.
    "{interaction} ({medium}) in queue {queue}, {state}; {asks}.": (
        "{interaction} ({medium}): 대기열 {queue}, {state}; {asks}."
    ),
    "asks for {needs}": "요구 스킬 {needs}",
    "asks for no skill": "요구 스킬 없음",
    ", of {agents}": ", 지정 상담원 {agents}",
    "Place {place} with {points}.": "순서 {place}번, {points}.",
    "{points} points: priority {terms}": "{points}점: 우선순위 {terms}",
    "{priority} + {ageing} x {seconds} s waited": "{priority} + {ageing} x 대기 {seconds}초",
    "{points} for a service level below the goal": "목표에 못 미친 서비스 레벨 {points}",
    "{seconds} s past the queue's bound, so before all others": (
        "대기열 한도를 {seconds}초 넘겨 누구보다 먼저"
    ),
    "It is at {agent}.": "상담원 {agent}에게 있습니다.",
    "It is at nobody.": "아무에게도 가지 않았습니다.",
    "Its customer is called back when its turn is near.": (
        "차례가 가까워지면 고객에게 전화를 겁니다."
    ),
    "Its customer is of segment {segment}.": "고객 등급은 {segment}입니다.",
    "Queue {queue} is closed: nobody joins, who waits is served.": (
        "대기열 {queue}: 운영 시간이 끝나 더 받지 않으며, 기다리는 고객은 응대합니다."
    ),
    "Queue {queue} is closed: nobody joins it.": (
        "대기열 {queue}: 운영 시간이 끝나 더 받지 않습니다."
    ),
    "Ring {ring} of {rings}{then}.": "완화 단계 {ring}/{rings}{then}.",
    "; next {ring}": "; 다음 단계 {ring}",
    "; there is no further one": "; 다음 단계 없음",
    "Free for it, as {select} would choose:": "지금 받을 수 있는 상담원, {select} 순서:",
    "Nobody is free for it.": "지금 받을 수 있는 상담원이 없습니다.",
    "{count} ruled out, {rule}:": "제외 {count}명, {rule}:",
    " until {change}": " 바뀌려면: {change}",
    # Rings.
    "in {seconds} s": "{seconds}초 뒤",
    "when the estimated wait passes {seconds} s": "예상 대기 시간이 {seconds}초를 넘으면",
    "when nobody who could serve is signed in": "응대할 수 있는 상담원이 아무도 로그인하지 않으면",
    "{skill} from {least}": "{skill} {least} 이상",
    "no {skill}": "{skill} 불필요",
    "joined by {agents}": "{agents} 합류",
    "{points} priority": "우선순위 {points}",
    "on to queue {queue}": "대기열 {queue}(으)로 이동",
    # What rules an agent out, and what would change that.
    "waits for others: {agents}": "다른 상담원을 기다림: {agents}",
    "in {seconds} s its patience is over": "{seconds}초 뒤 기다림이 끝남",
    "not of this queue: it names its agents": "이 대기열 소속이 아님: 상담원이 지정되어 있음",
    "a ring or a change of the queue": "완화 단계나 대기열 설정의 변경",
    "skills: {missing}": "스킬: {missing}",
    "the next ring, {ring}": "다음 완화 단계, {ring}",
    "a skill": "스킬 추가",
    "needs {need}, has {level}": "{need} 필요, 현재 {level}",
    "needs {need}, does not have it": "{need} 필요, 없음",
    "needs one of: {needs}": "다음 중 하나 필요: {needs}",
    "must not have {need}": "{need} 있으면 안 됨",
    "in {seconds} s, or when he says so": "{seconds}초 뒤, 또는 준비 완료",
    "being ready again": "준비 완료",
    "not signed in": "로그인하지 않음",
    "signing in": "로그인",
    "signs out when his work is done": "일이 끝나면 로그아웃함",
    "not responding: {why}": "응답 없음: {why}",
    "in a call of his own": "개인 통화 중",
    "the end of that call": "그 통화의 종료",
    "rests after an offer that failed": "배정 실패 뒤 쉬는 중",
    "looked at: {agent} has answered and decides": "확인 중: {agent} 상담원이 받고 결정하는 중",
    "declining it": "거절",
    "has refused it: it rings at others": "거절함: 다른 상담원에게 울리는 중",
    "its coming back into line": "대기열로 돌아감",
    "takes no {medium}: his capacity has none": "{medium} 받지 않음: 용량에 없음",
    "another capacity": "용량 변경",
    "busy: {held} of {limit} {medium} in hand": "바쁨: {medium} {limit}건 중 {held}건 처리 중",
    "busy: {medium} may not interrupt {other}": "바쁨: {other} 중에는 {medium} 들어올 수 없음",
    "his wrap-up ends in {seconds} s": "{seconds}초 뒤 후처리 종료",
    "he answers or does not answer {interaction}": "{interaction} 응답 여부",
    "{interaction} ends": "{interaction} 종료",
    " or ": " 또는 ",
    # Agents.
    "{agent} is {state}{code}, with {hand} in hand of {limits}.": (
        "{agent}: {state}{code}, 처리 중 {hand}, 용량 {limits}."
    ),
    "nothing": "없음",
    "Nothing is offered: {rule}{until}.": "배정하지 않음: {rule}{until}.",
    ", until {change}": ", 바뀌려면: {change}",
    "What waits that he serves, in the order in which he would get it:": (
        "받을 수 있는 대기 건, 받게 될 순서:"
    ),
    "  [not now: {rule}]": "  [지금은 안 됨: {rule}]",
    "{interaction} of {queue}, {points}": "{interaction} (대기열 {queue}), {points}",
    "Nothing waits that he serves.": "받을 수 있는 대기 건이 없습니다.",
    "Serves: {queues}.": "담당 대기열: {queues}.",
    "no queue": "없음",
    "Does not serve {queue}: {why}.": "담당하지 않는 대기열 {queue}: {why}.",
    "it names its agents, and not him": "상담원이 지정되어 있고, 그중에 없음",
    # States, media, codes.
    "waiting": "대기 중",
    "reserved": "배정 중",
    "connected": "통화 중",
    "held": "보류 중",
    "away": "콜백 대기 중",
    "offline": "로그아웃",
    "idle": "대기",
    "alerting": "호출 중",
    "talking": "통화 중",
    "holding": "보류 중",
    "wrap-up": "후처리",
    "paused": "이석",
    "communicating": "개인 통화 중",
    "handling": "처리 중",
    "voice": "음성",
    "video": "영상",
    "callback": "콜백",
    "chat": "채팅",
    "email": "이메일",
    "fax": "팩스",
    "task": "업무",
    "timed-out": "받지 않음",
    "rejected": "거절",
    "busy": "통화 중",
    "unreachable": "연결 불가",
    "skills": "스킬",
    "not-of-this-queue": "이 대기열 소속이 아님",
    "waits-for-others": "다른 상담원을 기다림",
    "not-signed-in": "로그인하지 않음",
    "signs-out": "로그아웃 예정",
    "not-responding": "응답 없음",
    "own-call": "개인 통화 중",
    "rests": "배정 실패 뒤 쉬는 중",
    "no-capacity": "받지 않는 매체",
    "looked-at": "확인 중",
    "refused": "거절함",
}


class Say:
    """Puts phrases into one language; one that has no words for a phrase says it in English."""

    def __init__(self, language: str, *, mute: bool = False) -> None:
        self.language = "ko" if language.partition("-")[0] == "ko" else "en"
        self.mute = mute
        """Says nothing: for who counts reasons and does not tell them."""
        self._phrases = KOREAN if self.language == "ko" else ENGLISH

    def __call__(self, phrase: str, **values: object) -> str:
        """The phrase, with its values."""
        if self.mute:
            return ""
        words = self._phrases.get(phrase) or ENGLISH.get(phrase, phrase)
        return words.format(**values) if values else words

    def either(self, words: list[str]) -> str:
        """One or another."""
        return self(" or ").join(words)
