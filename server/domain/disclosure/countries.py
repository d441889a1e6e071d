"""Countries as the law on transfers sees them (Art. 44–49)."""

from __future__ import annotations

from server.domain.values import InvalidValueError

_STATES = (
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE IS LI NO"
)
_OUTERMOST = "AX GF GP MF MQ RE YT"

EEA = frozenset(f"{_STATES} {_OUTERMOST}".split())
"""The European Economic Area: the Union's 27 states, Iceland, Liechtenstein and Norway.

Regions that have codes of their own belong to it where the Treaties apply: Åland, French
Guiana, Guadeloupe, Saint-Martin, Martinique, Réunion, Mayotte (TFEU Art. 355(1) and (4)).
"""

_OTHERS = (
    "AD AE AF AG AI AL AM AO AQ AR AS AU AW AX AZ BA BB BD BF BH BI BJ BL BM BN BO BQ BR BS BT "
    "BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX DJ DM DO DZ EC EG EH ER ET "
    "FJ FK FM FO GA GB GD GE GF GG GH GI GL GM GN GP GQ GS GT GU GW GY HK HM HN HT ID IL IM IN "
    "IO IQ IR JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LK LR LS LY MA MC MD ME MF "
    "MG MH MK ML MM MN MO MP MQ MR MS MU MV MW MX MY MZ NA NC NE NF NG NI NP NR NU NZ OM PA PE "
    "PF PG PH PK PM PN PR PS PW PY QA RE RS RU RW SA SB SC SD SG SH SJ SL SM SN SO SR SS ST SV "
    "SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI "
    "VN VU WF WS YE YT ZA ZM ZW"
)
_COUNTRIES = EEA | frozenset(_OTHERS.split())


def country(text: str) -> str:
    """Return *text* as a country's code of two capital letters (ISO 3166-1 alpha-2)."""
    if text not in _COUNTRIES:
        raise InvalidValueError("must be a country's code such as 'FR' (ISO 3166-1 alpha-2)")
    return text
