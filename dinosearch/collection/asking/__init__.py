"""One query, from what it is given and what it asks to its answers, and the explanation of one of them."""
