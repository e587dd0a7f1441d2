"""The committed training of the demo model: `python -m vlmbench.trainers.demo_model OUT_DIR`.

A LLaVA of two million parameters learns from nothing, on one CPU core, to answer multiple-choice questions
about generated pictures. What was learned on the way (single runs, one seed):

- A patch as large as a cell of the picture's grid (32 pixels, 9 image tokens) was learned several times
  faster than patches of 16 pixels, where a shape first has to be put together from four tokens.
- Look-ups by content ("What colour is the star?") stay for long at guessing among what is present, while
  look-ups by place are learned at once. Descriptions that name place, colour and shape in another order
  each time ended that: after "star" the next word *is* the look-up. Tallies do the same for counting.
- With Muon on the inner matrices short answers were right in 62 % of the cases after 500 steps and in 86 %
  after 1000, nearly all look-ups solved; with AdamW at 8e-4 it was 46 % after 500. At twice Muon's rate (and
  half the batch) the loss stayed where it was once pictures were shown.
- 175 steps of "which option is red?" without pictures teach what letters stand for. Mixed in at 12 % from
  the start instead, letters were hardly above chance after 1500 steps.
- Letters about pictures come last, one kind of question after the other: presence and numbers first, then
  what is looked up by shape or colour, then what stands at a place. "Where is …?" is answered in words, but
  its letter stayed at chance.
- Two more layers, added to the trained model and adding nothing at first, took letters for look-ups by shape
  or colour from about 75 to above 90 % in 150 to 300 steps, but left those for places where they were. Nor
  did answers in words with the options in sight, answers right after the question, or random distances
  between picture and question help within 300 to 450 steps. Untried: tied embeddings, more depth from the
  start, a drill in places only.

Questions about one picture are packed into one row (`packing`), so most of the time goes into text that is
learned from.
"""
