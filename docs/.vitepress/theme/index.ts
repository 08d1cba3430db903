// The theme without its fonts: the fonts of the reader's machine are there at once.
import Theme from 'vitepress/theme-without-fonts'
import './style.css'

export default Theme
