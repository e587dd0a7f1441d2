"""The committed training of the demo model: `python -m vlmbench.trainers.demo_model OUT_DIR`.

A LLaVA of two million parameters learns from nothing, on one CPU core, to answer multiple-choice questions
about generated pictures. What was learned on the way (single runs, one seed):

- A patch as large as a cell of the picture's grid (32 pixels, 9 image tokens) was learned several times
  faster than patches of 16 pixels, where a shape first has to be put together from four tokens.
- Look-ups by content ("What colour is the star?") stay for long at guessing among what is present, while
  look-ups by place are learned at once. Descriptions that name place, colour and shape in another order
  each time ended that: after "star" the next word *is* the look-up. Tallies do the same for counting.
- Muon on the inner matrices solved all look-ups within 1000 steps of 128 questions; AdamW at 8e-4 was
  not half way there. With Muon at twice the rate nothing but the text-only part was learned.
- Letters: 150 steps of "which option is red?" without pictures teach what letters stand for. Mixed in at
  12 % from the start instead, they were still at chance after 1500 steps.
- Letters about pictures come last, kind of question by kind of question, existence first and place last.

Questions about one picture are packed into one row (`packing`), so most of the time goes into text that is
learned from.
"""
