"""
The corpus of contributions: good ones, and the slips that contributors make in them.

    drafts     a contribution as triples, and its text in five formats with the line of every triple
    material   what the published graph, the shapes and the ontology offer to draw from
    good       contributions in which nothing is wrong
    slips      changes of the triples: each breaks one rule of one shape, or one of the life of claims
    garbles    changes of the text: each breaks the format

Nothing here knows how the package judges. All is drawn with seeds: the same corpus every time.
"""
