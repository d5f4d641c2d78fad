"""Sentences that were written for this project: text to embed, to read and to calibrate on."""

from __future__ import annotations

PARAPHRASES = (
    ("The train to the coast was two hours late.", "Our train to the seaside arrived two hours behind schedule."),
    ("She repaired the old clock in an afternoon.", "It took her one afternoon to fix the antique clock."),
    ("Heavy rain flooded the lower streets of the town.", "The downpour put the town's low-lying streets under water."),
    ("A falcon nests on the roof of the town hall.", "There is a falcon's nest on top of the city hall."),
    ("The baker opens his shop before sunrise.", "Before the sun comes up, the bakery is already open."),
    ("Coffee prices rose sharply this winter.", "This winter the cost of coffee went up steeply."),
    ("The bridge was closed after an inspection found cracks.", "Inspectors saw cracks, so the bridge was shut."),
    ("He forgot his umbrella on the bus.", "His umbrella was left behind on the bus."),
    ("The committee postponed the vote until Monday.", "Voting was delayed by the committee to Monday."),
    ("Children learn a second language quickly.", "Young kids pick up another language fast."),
    ("The telescope recorded light from a distant galaxy.", "Light from a faraway galaxy reached the telescope."),
    ("Please send me the invoice by e-mail.", "Could you email the bill to me?"),
)
"""Pairs that mean the same; sentences of different pairs do not."""

CALIBRATION = (
    "The library lends musical instruments as well as books.",
    "How long does the battery of this bicycle last?",
    "Nobody answered the door, although the lights were on.",
    "A new ferry connects the islands three times a day.",
    "The recipe needs four eggs, butter, flour and a little salt.",
    "Researchers measured the temperature of the lake every hour for a year.",
    "My neighbour grows tomatoes on her balcony.",
    "The court ruled that the contract was void.",
    "Turn left at the second traffic light and cross the river.",
    "The goalkeeper saved two penalties in the final.",
    "Why does bread go stale faster in the refrigerator?",
    "The company reported a loss in the third quarter and will close two plants.",
    "An orchestra of young people played in the square on Sunday evening, and the whole town came to listen to it.",
    "The patch fixes a race condition between the scheduler and the garbage collector.",
    "Snow is expected above 800 metres; drivers should carry chains.",
    "The museum's new wing shows maps, globes and instruments that sailors used before there were reliable "
    "clocks. Visitors may try a sextant on the roof, weather permitting, and compare their own position with the "
    "true one. The curator says that most people are wrong by less than ten kilometres, which is about what a "
    "practised navigator of the eighteenth century would have achieved from the deck of a moving ship.",
    "When the old mill was sold, the new owners found that its wheel could still turn. They cleaned the channel, "
    "replaced two beams and a bearing, and fitted a small generator. In the wet months it now makes enough "
    "electricity for nine houses; in summer, when the stream runs low, it stands still and the swallows nest in "
    "it. The village has asked whether the mill on the other bank could be restored in the same way, and a survey "
    "is planned for the autumn.",
    "To reset the device, hold both buttons until the display goes dark. Wait ten seconds, then release the upper "
    "button first. If the display shows an error, disconnect the power supply, check that the fuse is whole, and "
    "begin again. Do not open the housing: there are no parts inside that a user can repair, and the seal keeps "
    "out dust and water.",
)
"""Short and long sentences that share none with `PARAPHRASES` or `PASSAGES`."""

PASSAGES = (
    "The committee met for the fourth time on Thursday to discuss the future of the harbour. Fishermen asked for "
    "a deeper channel and a cold store; the sailing club wanted more berths; residents were worried about noise "
    "and lorries at night. After three hours the chair proposed to publish all the figures and to vote in spring. "
    "Nobody was entirely content, which, as one member remarked, is usually the sign of a fair decision.",
    "Bees find their way back to the hive by the position of the sun, by landmarks and by the pattern of "
    "polarised light in the sky. A returning forager tells the others where flowers are by a dance whose angle "
    "gives the direction and whose length gives the distance. The code was deciphered by watching thousands of "
    "dances and then walking to the place that they described.",
    "Add the onions to the hot oil and stir until they turn golden, which takes about eight minutes. Lower the "
    "heat, add garlic and spices, and cook for one minute more. Pour in the tomatoes and half a litre of water, "
    "cover the pot, and let it simmer until the lentils are soft. Taste before you add salt, because the stock "
    "may be salty already.",
    "A compiler that knows exactly how long each instruction takes can plan the work of a machine in advance, as "
    "a railway plans its trains. Nothing waits by accident, and the timetable can be printed before the first "
    "train departs.",
)

LINES = (
    "Platform 7, departure 14:35", "Fresh bread every morning", "Total amount: 48.90", "Please close the door",
    "Room 214, second floor", "Open from 9 to 17 h", "Invoice No. 20260417", "Mind the gap", "Serial number A93-771",
    "Handle with care", "Exit through the garden", "Lost and found office", "Weight 3.25 kg", "Valid until 31.12.2027",
    "Do not feed the birds", "Museum of navigation",
)
"""Short lines to read: evaluation."""

CALIBRATION_LINES = (
    "Ticket office closed", "Keep refrigerated below 7 C", "Order 5512 is ready", "Bus stop Old Harbour",
    "Emergency exit", "Paid by card: 12.40", "Made in three sizes", "Flight LX 318, gate B22", "Wet paint",
    "Reception on the left", "Batch 0093, tested", "Parking for residents only", "Push to open", "Chapter 12: Tides",
    "Article 7, paragraph 2", "Return by 18:00",
)
