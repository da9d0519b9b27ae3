"""One file per screen of the console: a GET that shows, POSTs that do what its buttons say."""
