"""The mark in a picture's file that a program made it: an XMP packet with IPTC's Digital Source Type."""

from worker.contract.kind import Source

PNG_KEYWORD = "XML:com.adobe.xmp"
"""Keyword of the chunk of international text in which a PNG has its packet."""

_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">\
<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/{term}</Iptc4xmpExt:DigitalSourceType>\
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>"""


def packet_of(source: Source) -> str:
    """The packet, which is the same in all formats."""
    return _PACKET.format(term=source.value)
